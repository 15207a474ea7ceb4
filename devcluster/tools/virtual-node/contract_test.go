package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What interLink's own functions returned for these pods and namespaces.
func TestTunnelNamesAreInterLinks(t *testing.T) {
	for _, seen := range [][4]string{
		{"triton-5d9c7bdf5c-abcde", "cms", "wstunnel-triton-5d9c7bdf5c-abcde-cms", "cms"},
		{"sonic-dev-triton-slurm-5d9c7bdf5c-abcde", "sonic-dev", "wstunnel-sonic-dev-tri-45b95a74", "sonic-dev"},
		{"supersonic-interlink-triton-7c9b8d6f54-x2k9p", "sonic-cms", "wstunnel-supersonic-in-f91c0150", "sonic-cms"},
		{
			"a-very-long-deployment-name-that-goes-on-and-on-7c9b8d6f54-x2k9p", "cms",
			"wstunnel-a-very-long-deploym-78756688-cms", "cms",
		},
		{
			"Triton_1.2--x", "team-a-sonic-production-cluster-of-the-north",
			"wstunnel-triton-1-2-x-29782d09", "team-a-sonic-production-cluster",
		},
		{"t", "n23456789012345678901234567890123", "wstunnel-t-n2345678901-da1027fe", "n234567890123456789012345678901"},
	} {
		name, namespace := tunnelNames(&v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: seen[0], Namespace: seen[1]}})
		if name != seen[2] || namespace != seen[3] {
			t.Errorf("%s/%s: got %s/%s, interLink made %s/%s", seen[1], seen[0], namespace, name, seen[3], seen[2])
		}
	}
}

func TestPortsOfTheContainersComeBeforeThoseOfTheAnnotation(t *testing.T) {
	pod := &v1.Pod{Spec: v1.PodSpec{Containers: []v1.Container{{
		Ports: []v1.ContainerPort{{ContainerPort: 8000, Name: "own"}, {ContainerPort: 53, Protocol: v1.ProtocolUDP}},
	}}}}
	pod.Annotations = map[string]string{extraPortsAnnotation: "8000:other:TCP, 8001:grpc:tcp,9,nonsense"}
	got := exposedPorts(pod)
	slices.SortFunc(got, func(a, b portMapping) int { return int(a.Port - b.Port) })
	want := []portMapping{{9, "", "TCP"}, {53, "", "UDP"}, {8000, "own", "TCP"}, {8001, "grpc", "TCP"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTheClientCommandHasPrefixForwardsAndHost(t *testing.T) {
	network := Network{WstunnelCommand: "A='%[1]s' B='%[2]s' C='%[3]s'"}
	data := templateData{
		Name: "wstunnel-t-cms", Namespace: "cms", RandomPassword: "0123",
		ExposedPorts: []portMapping{{8000, "http", "TCP"}, {53, "dns", "UDP"}},
	}
	forwards := "-R tcp://0.0.0.0:8000:localhost:8000"
	if got := clientCommand(network, data); got != "A='0123' B='"+forwards+"' C='wstunnel-t-cms'" {
		t.Error(got)
	}
	network.WildcardDNS = "tunnels.example.org"
	if got := clientCommand(network, data); got != "A='0123' B='"+forwards+"' C='wstunnel-t-cms-cms.tunnels.example.org'" {
		t.Error(got)
	}
}

func TestTheTemplatesLabelsWin(t *testing.T) {
	own := metav1.ObjectMeta{Labels: map[string]string{"app.kubernetes.io/component": "wstunnel-t-cms"}}
	inherit(&own, templateData{
		PodLabels:      map[string]string{"app.kubernetes.io/component": "triton", "pool": "a"},
		PodAnnotations: map[string]string{"copied": "yes"},
	})
	if own.Labels["app.kubernetes.io/component"] != "wstunnel-t-cms" || own.Labels["pool"] != "a" {
		t.Error(own.Labels)
	}
	if own.Annotations["copied"] != "yes" {
		t.Error(own.Annotations)
	}
}

func TestAKeyThatInterLinkDoesNotKnowIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte("InterlinkUrl: http://x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadConfig(path); err == nil {
		t.Error("InterlinkUrl was taken for InterlinkURL")
	}
}

func TestThePodIsReadyOnceItWasRunningUntilItSucceeds(t *testing.T) {
	ready := func(status *v1.PodStatus) v1.ConditionStatus {
		return status.Conditions[len(status.Conditions)-1].Status
	}
	running := v1.ContainerStatus{Name: "triton", State: v1.ContainerState{Running: &v1.ContainerStateRunning{}}}
	waiting := v1.ContainerStatus{Name: "triton", State: v1.ContainerState{Waiting: &v1.ContainerStateWaiting{}}}
	status := &v1.PodStatus{Phase: v1.PodPending, Conditions: podConditions(true, false)}
	takeOver(status, []v1.ContainerStatus{waiting})
	if status.Phase != v1.PodPending {
		t.Error(status.Phase)
	}
	takeOver(status, []v1.ContainerStatus{running})
	takeOver(status, []v1.ContainerStatus{waiting})
	if status.Phase != v1.PodRunning || ready(status) != v1.ConditionTrue {
		t.Error(status)
	}
	takeOver(status, []v1.ContainerStatus{terminated(137)})
	if status.Phase != v1.PodFailed || status.Reason != "Error: 137" || ready(status) != v1.ConditionTrue {
		t.Error(status)
	}
	status = &v1.PodStatus{Phase: v1.PodRunning}
	takeOver(status, []v1.ContainerStatus{terminated(0)})
	if status.Phase != v1.PodSucceeded || ready(status) != v1.ConditionFalse {
		t.Error(status)
	}
}

func terminated(code int32) v1.ContainerStatus {
	return v1.ContainerStatus{
		Name: "triton", State: v1.ContainerState{Terminated: &v1.ContainerStateTerminated{ExitCode: code}},
	}
}

func TestAPingReplacesResourcesAndAFailedOneMakesTheNodeUnready(t *testing.T) {
	virtual := newVirtualNode("n", "10.0.0.1", 10250, Config{Resources: Resources{CPU: "100", Memory: "1Gi", Pods: "9"}}, nil)
	said, _ := json.Marshal(map[string]any{"status": "ok", "resources": map[string]string{"cpu": "8"}})
	virtual.note(string(said), nil)
	status := virtual.node.Status
	if cpu := status.Allocatable[v1.ResourceCPU]; cpu.String() != "8" || status.Conditions[0].Status != v1.ConditionTrue {
		t.Error(status)
	}
	if pods := status.Capacity[v1.ResourcePods]; pods.String() != "9" {
		t.Error(status)
	}
	virtual.note("", errors.New("HTTP 503"))
	conditions := virtual.node.Status.Conditions
	if conditions[0].Status != v1.ConditionFalse || conditions[len(conditions)-1].Reason != "InterlinkPingFailed" {
		t.Error(conditions)
	}
}
