// Virtual-node is the dev cluster's stand-in for interLink's virtual kubelet: the same library, configuration file,
// environment, Kubernetes objects and REST calls. No code is interLink's.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/virtual-kubelet/virtual-kubelet/node"
	"github.com/virtual-kubelet/virtual-kubelet/node/api"
	"github.com/virtual-kubelet/virtual-kubelet/node/nodeutil"
	"k8s.io/client-go/util/cert"
)

func main() {
	name := flag.String("nodename", os.Getenv("NODENAME"), "name of the Node")
	path := flag.String("configpath", environment("CONFIGPATH", "/etc/interlink/InterLinkConfig.yaml"), "configuration")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *name, *path); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, name, path string) error {
	if name == "" {
		return errors.New("NODENAME is empty: set it to the name of the Node")
	}
	config, err := loadConfig(path)
	if err != nil {
		return err
	}
	remote, err := newInterLink(config)
	if err != nil {
		return err
	}
	client, err := nodeutil.ClientsetFromEnv(os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	address := os.Getenv("POD_IP")
	certificate, err := servingCertificate(config, address)
	if err != nil {
		return err
	}
	endpoint, port := kubeletEndpoint()
	virtual := newVirtualNode(name, address, port, config, remote)
	pods := newPods(name, client, remote, &tunnels{client: client, network: config.Network})
	routes := http.NewServeMux()
	// Exec, attach and port-forward have no handler, as in interLink: the API server gets 501.
	api.AttachPodRoutes(api.PodHandlerConfig{GetContainerLogs: pods.GetContainerLogs, GetPods: pods.GetPods}, routes, true)
	kubelet, err := nodeutil.NewNode(
		name,
		func(nodeutil.ProviderConfig) (nodeutil.Provider, node.NodeProvider, error) { return pods, virtual, nil },
		nodeutil.WithClient(client),
		func(options *nodeutil.NodeConfig) error {
			options.NodeSpec = *virtual.node.DeepCopy()
			options.HTTPListenAddr = endpoint
			options.Handler = routes
			options.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
			options.NumWorkers = 1
			options.SkipDownwardAPIResolution = config.SkipDownwardAPIResolution
			return nil
		},
	)
	if err != nil {
		return err
	}
	return kubelet.Run(ctx)
}

// servingCertificate returns the configured certificate of the kubelet's API, else a self-signed one: this program
// asks for none with a CertificateSigningRequest.
func servingCertificate(config Config, address string) (tls.Certificate, error) {
	if config.KubeletCertFile != "" {
		return tls.LoadX509KeyPair(config.KubeletCertFile, config.KubeletKeyFile)
	}
	certificate, key, err := cert.GenerateSelfSignedCertKey(address, nil, nil)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certificate, key)
}

func environment(name, otherwise string) string {
	if value, found := os.LookupEnv(name); found {
		return value
	}
	return otherwise
}
