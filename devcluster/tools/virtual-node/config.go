package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"strconv"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Config is VirtualKubeletConfig.yaml. It has every key of interLink's, and refuses others; what has type any is read
// by interLink and ignored here.
type Config struct {
	InterlinkURL              string      `yaml:"InterlinkURL"`
	InterlinkPort             string      `yaml:"InterlinkPort"`
	KubernetesAPIAddr         any         `yaml:"KubernetesApiAddr"`
	KubernetesAPIPort         any         `yaml:"KubernetesApiPort"`
	KubernetesAPICaCrt        any         `yaml:"KubernetesApiCaCrt"`
	DisableProjectedVolumes   any         `yaml:"DisableProjectedVolumes"`
	JobScriptBuilderURL       any         `yaml:"JobScriptBuilderURL"`
	VKConfigPath              any         `yaml:"VKConfigPath"`
	VKTokenFile               string      `yaml:"VKTokenFile"`
	ServiceAccount            any         `yaml:"ServiceAccount"`
	Namespace                 any         `yaml:"Namespace"`
	PodIP                     any         `yaml:"PodIP"`
	PodCIDR                   any         `yaml:"PodCIDR"`
	VerboseLogging            any         `yaml:"VerboseLogging"`
	ErrorsOnlyLogging         any         `yaml:"ErrorsOnlyLogging"`
	HTTP                      HTTP        `yaml:"HTTP"`
	KubeletHTTP               any         `yaml:"KubeletHTTP"`
	KubeletCertFile           string      `yaml:"KubeletCertFile"`
	KubeletKeyFile            string      `yaml:"KubeletKeyFile"`
	KubeletCSRSignerName      any         `yaml:"KubeletCSRSignerName"`
	Resources                 Resources   `yaml:"Resources"`
	NodeLabels                []string    `yaml:"NodeLabels"`
	NodeTaints                []TaintSpec `yaml:"NodeTaints"`
	TLS                       TLS         `yaml:"TLS"`
	Network                   Network     `yaml:"Network"`
	SkipDownwardAPIResolution bool        `yaml:"SkipDownwardAPIResolution"`
	DisableCSR                any         `yaml:"DisableCSR"`
	Pprof                     any         `yaml:"Pprof"`
}

// HTTP says whether the API's certificate is verified, for URLs of https without TLS.Enabled.
type HTTP struct {
	Insecure bool `yaml:"Insecure"`
	CaCert   any  `yaml:"CaCert"`
}

// TLS names the files of a client certificate and of the authority of the API's.
type TLS struct {
	Enabled    bool   `yaml:"Enabled"`
	CertFile   string `yaml:"CertFile"`
	KeyFile    string `yaml:"KeyFile"`
	CACertFile string `yaml:"CACertFile"`
}

// Resources are quantities of the Node, until a ping reports others.
type Resources struct {
	CPU          string        `yaml:"CPU"`
	Memory       string        `yaml:"Memory"`
	Pods         string        `yaml:"Pods"`
	Accelerators []Accelerator `yaml:"Accelerators"`
}

// Accelerator is an extended resource of the Node.
type Accelerator struct {
	ResourceType string `yaml:"ResourceType"`
	Model        string `yaml:"Model"`
	Available    string `yaml:"Available"`
}

// TaintSpec is a further taint of the Node.
type TaintSpec struct {
	Key    string `yaml:"Key" json:"key"`
	Value  string `yaml:"Value" json:"value"`
	Effect string `yaml:"Effect" json:"effect"`
}

// Network configures the tunnels.
type Network struct {
	EnableTunnel           bool   `yaml:"EnableTunnel"`
	WildcardDNS            string `yaml:"WildcardDNS"`
	WSTunnelExecutable     any    `yaml:"WSTunnelExecutable"`
	WstunnelTemplatePath   string `yaml:"WstunnelTemplatePath"`
	WstunnelCommand        string `yaml:"WstunnelCommand"`
	FullMesh               bool   `yaml:"FullMesh"`
	MeshScriptTemplatePath any    `yaml:"MeshScriptTemplatePath"`
	ServiceCIDR            any    `yaml:"ServiceCIDR"`
	PodCIDRCluster         any    `yaml:"PodCIDRCluster"`
	DNSServiceIP           any    `yaml:"DNSServiceIP"`
	WireguardGoURL         any    `yaml:"WireguardGoURL"`
	WgToolURL              any    `yaml:"WgToolURL"`
	Slirp4netnsURL         any    `yaml:"Slirp4netnsURL"`
	UnshareMode            any    `yaml:"UnshareMode"`
}

func loadConfig(path string) (Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, err
	}
	config := Config{Resources: Resources{CPU: "100", Memory: "3000G", Pods: "10000"}}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&config); err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	for _, quantity := range []string{config.Resources.CPU, config.Resources.Memory, config.Resources.Pods} {
		if _, err := resource.ParseQuantity(quantity); err != nil {
			return Config{}, fmt.Errorf("%s: Resources: %q: %w", path, quantity, err)
		}
	}
	if config.Network.FullMesh {
		return Config{}, fmt.Errorf("%s: Network.FullMesh is true: this stand-in has only the tunnel", path)
	}
	if config.Network.EnableTunnel && (config.Network.WstunnelTemplatePath == "" || config.Network.WstunnelCommand == "") {
		return Config{}, fmt.Errorf("%s: Network has a tunnel: this stand-in has no default for "+
			"WstunnelTemplatePath and WstunnelCommand, set both", path)
	}
	return config, nil
}

func kubeletEndpoint() (endpoint string, port int32) {
	text := environment("KUBELET_PORT", "5820")
	number, _ := strconv.ParseInt(text, 10, 32)
	return net.JoinHostPort(environment("KUBELET_URL", "0.0.0.0"), text), int32(number)
}
