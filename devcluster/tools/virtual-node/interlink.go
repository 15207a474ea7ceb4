package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/virtual-kubelet/virtual-kubelet/node/api"
	v1 "k8s.io/api/core/v1"
)

// interLink is a client of interLink's API.
type interLink struct {
	url       string
	tokenFile string
	client    *http.Client
}

// createRequest is the body of POST /create. Volumes are not resolved here: our pods have none.
type createRequest struct {
	Pod                  *v1.Pod        `json:"pod"`
	ConfigMaps           []v1.ConfigMap `json:"configmaps"`
	Secrets              []v1.Secret    `json:"secrets"`
	ProjectedVolumesMaps []v1.ConfigMap `json:"projectedvolumesmaps"`
	JobScriptURL         string         `json:"jobscriptURL"`
}

type createAnswer struct {
	PodUID string `json:"PodUID"`
	PodJID string `json:"PodJID"`
}

type podStatus struct {
	Name       string               `json:"name"`
	UID        string               `json:"UID"`
	Namespace  string               `json:"namespace"`
	Containers []v1.ContainerStatus `json:"containers"`
}

type logRequest struct {
	Namespace     string
	PodUID        string
	PodName       string
	ContainerName string
	Opts          logOptions
}

// logOptions has api.ContainerLogOpts under the names of interLink's JSON.
type logOptions struct {
	Tail         int
	LimitBytes   int `json:"Bytes"`
	Timestamps   bool
	Follow       bool
	Previous     bool
	SinceSeconds int
	SinceTime    time.Time
}

type pingAnswer struct {
	Resources *struct {
		CPU          string `json:"cpu"`
		Memory       string `json:"memory"`
		Pods         string `json:"pods"`
		Accelerators []struct {
			ResourceType string `json:"resourceType"`
			Available    string `json:"available"`
		} `json:"accelerators"`
	} `json:"resources"`
	Taints *[]TaintSpec `json:"taints"`
}

func newInterLink(config Config) (*interLink, error) {
	remote := &interLink{url: config.InterlinkURL + ":" + config.InterlinkPort, tokenFile: config.VKTokenFile}
	settings := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: config.HTTP.Insecure && !config.TLS.Enabled}
	transport := &http.Transport{TLSClientConfig: settings}
	if socket, found := strings.CutPrefix(config.InterlinkURL, "unix://"); found {
		remote.url = "http://unix"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
	}
	if config.TLS.Enabled {
		authority, err := os.ReadFile(config.TLS.CACertFile)
		if err != nil {
			return nil, err
		}
		settings.RootCAs = x509.NewCertPool()
		settings.RootCAs.AppendCertsFromPEM(authority)
		own, err := tls.LoadX509KeyPair(config.TLS.CertFile, config.TLS.KeyFile)
		if err != nil {
			return nil, err
		}
		settings.Certificates = []tls.Certificate{own}
	}
	remote.client = &http.Client{Transport: transport}
	return remote, nil
}

// create submits a pod and returns the number of its job.
func (remote *interLink) create(ctx context.Context, pod *v1.Pod) (createAnswer, error) {
	request := createRequest{
		Pod: pod, ConfigMaps: []v1.ConfigMap{}, Secrets: []v1.Secret{}, ProjectedVolumesMaps: []v1.ConfigMap{},
	}
	var answer createAnswer
	body, err := remote.text(ctx, "CreatePod", http.MethodPost, "/create", request)
	if err == nil {
		err = json.Unmarshal(body, &answer)
	}
	return answer, err
}

// status returns the state of a pod; nil while the plugin has none to tell.
func (remote *interLink) status(ctx context.Context, pod *v1.Pod) (*podStatus, error) {
	var answers []podStatus
	body, err := remote.text(ctx, "GetStatus", http.MethodGet, "/status", []*v1.Pod{pod})
	if err == nil {
		err = json.Unmarshal(body, &answers)
	}
	if err != nil || len(answers) == 0 || answers[0].Name == "" {
		return nil, err
	}
	return &answers[0], nil
}

func (remote *interLink) delete(ctx context.Context, pod *v1.Pod) error {
	_, err := remote.text(ctx, "DeletePod", http.MethodDelete, "/delete", pod)
	return err
}

func (remote *interLink) ping(ctx context.Context) (string, error) {
	body, err := remote.text(ctx, "PingInterLink", http.MethodPost, "/pinglink", nil)
	return string(body), err
}

// logs returns the job's output and then the container's; the caller closes it.
func (remote *interLink) logs(ctx context.Context, request logRequest, options api.ContainerLogOpts) (io.ReadCloser, error) {
	request.Opts = logOptions(options)
	answer, err := remote.call(ctx, "GetLogs", http.MethodGet, "/getLogs", request)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

func (remote *interLink) text(ctx context.Context, session, method, path string, body any) ([]byte, error) {
	answer, err := remote.call(ctx, session, method, path, body)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return io.ReadAll(answer.Body)
}

func (remote *interLink) call(ctx context.Context, session, method, path string, body any) (*http.Response, error) {
	content, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, remote.url+path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("InterLink-Http-Session", fmt.Sprintf("%s#%d", session, rand.IntN(100000)))
	if remote.tokenFile != "" {
		token, err := os.ReadFile(remote.tokenFile)
		if err != nil {
			return nil, err
		}
		request.Header.Set("Authorization", "Bearer "+string(token))
	}
	answer, err := remote.client.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		defer answer.Body.Close()
		said, _ := io.ReadAll(answer.Body)
		return nil, fmt.Errorf("%s %s: HTTP %d: %s", method, path, answer.StatusCode, said)
	}
	return answer, nil
}
