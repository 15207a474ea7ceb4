package main

import (
	"context"
	"encoding/json"
	"log"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	pingInterval    = 30 * time.Second
	noScheduleTaint = "virtual-node.interlink/no-schedule"
	pingAnnotation  = "interlink.virtual-kubelet.io/ping-response"
)

// acceleratorLabels are the labels that tell the model of an accelerator.
var acceleratorLabels = map[string]string{
	"nvidia.com/gpu":  "nvidia-gpu-type",
	"xilinx.com/fpga": "xilinx-fpga-type",
	"intel.com/fpga":  "intel-fpga-type",
}

// virtualNode keeps the Node's status: NotReady until the first ping, which comes after 30 s.
type virtualNode struct {
	node   *v1.Node
	remote *interLink
}

func newVirtualNode(name, address string, port int32, config Config, remote *interLink) *virtualNode {
	labels := map[string]string{
		"alpha.service-controller.kubernetes.io/exclude-balancer": "true",
		"kubernetes.io/hostname":                                  name,
		"kubernetes.io/os":                                        "virtual-kubelet",
		"kubernetes.io/role":                                      "agent",
		"node.kubernetes.io/exclude-from-external-load-balancers": "true",
		"virtual-node.interlink/type":                             "virtual-kubelet",
	}
	for _, label := range config.NodeLabels {
		if key, value, found := strings.Cut(label, "="); found {
			labels[key] = value
		}
	}
	resources := v1.ResourceList{
		v1.ResourceCPU:    resource.MustParse(config.Resources.CPU),
		v1.ResourceMemory: resource.MustParse(config.Resources.Memory),
		v1.ResourcePods:   resource.MustParse(config.Resources.Pods),
	}
	for _, accelerator := range config.Resources.Accelerators {
		if label, known := acceleratorLabels[accelerator.ResourceType]; known {
			labels[label] = accelerator.Model
		}
		setQuantity(resources, accelerator.ResourceType, accelerator.Available)
	}
	return &virtualNode{
		remote: remote,
		node: &v1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels, Annotations: map[string]string{}},
			Spec:       v1.NodeSpec{ProviderID: "external:///" + name, Taints: taints(config.NodeTaints)},
			Status: v1.NodeStatus{
				NodeInfo: v1.NodeSystemInfo{
					KubeletVersion: "stand-in", Architecture: "virtual-kubelet", OperatingSystem: "linux",
				},
				Addresses:       []v1.NodeAddress{{Type: v1.NodeInternalIP, Address: address}},
				DaemonEndpoints: v1.NodeDaemonEndpoints{KubeletEndpoint: v1.DaemonEndpoint{Port: port}},
				Capacity:        resources,
				Allocatable:     resources.DeepCopy(),
				Conditions:      nodeConditions(false),
			},
		},
	}
}

// taints returns a Node's taints: interLink's own first.
func taints(specs []TaintSpec) []v1.Taint {
	all := []v1.Taint{{Key: noScheduleTaint, Value: "true", Effect: v1.TaintEffectNoSchedule}}
	for _, spec := range specs {
		effect := v1.TaintEffect(spec.Effect)
		if effect != v1.TaintEffectPreferNoSchedule && effect != v1.TaintEffectNoExecute {
			effect = v1.TaintEffectNoSchedule
		}
		if spec.Key != "" && spec.Key != noScheduleTaint {
			all = append(all, v1.Taint{Key: spec.Key, Value: spec.Value, Effect: effect})
		}
	}
	return all
}

func nodeConditions(ready bool) []v1.NodeCondition {
	return []v1.NodeCondition{
		nodeCondition("Ready", ready, "KubeletPending", "kubelet is pending."),
		nodeCondition("OutOfDisk", false, "KubeletHasSufficientDisk", "kubelet has sufficient disk space available"),
		nodeCondition("MemoryPressure", false, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
		nodeCondition("DiskPressure", false, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
		nodeCondition("NetworkUnavailable", !ready, "RouteCreated", "RouteController created a route"),
	}
}

func nodeCondition(kind v1.NodeConditionType, is bool, reason, message string) v1.NodeCondition {
	status := v1.ConditionFalse
	if is {
		status = v1.ConditionTrue
	}
	now := metav1.Now()
	return v1.NodeCondition{
		Type: kind, Status: status, Reason: reason, Message: message, LastHeartbeatTime: now, LastTransitionTime: now,
	}
}

// Ping is the library's own check of this process.
func (virtual *virtualNode) Ping(ctx context.Context) error {
	return ctx.Err()
}

// NotifyNodeStatus pings the API every 30 s, and reports the Node after each ping.
func (virtual *virtualNode) NotifyNodeStatus(ctx context.Context, notify func(*v1.Node)) {
	go func() {
		for ticker := time.NewTicker(pingInterval); ; {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			said, err := virtual.remote.ping(ctx)
			virtual.note(said, err)
			notify(virtual.node.DeepCopy())
		}
	}()
}

// note writes the result of a ping to the Node. Resources in it replace capacity and allocatable alike.
func (virtual *virtualNode) note(said string, err error) {
	status := &virtual.node.Status
	status.Conditions = nodeConditions(err == nil)
	virtual.node.Annotations[pingAnnotation] = said
	if err != nil {
		log.Printf("ping: %v", err)
		status.Conditions = append(status.Conditions,
			nodeCondition("InterlinkConnectivity", false, "InterlinkPingFailed", "Ping failed: "+err.Error()))
		return
	}
	status.Conditions = append(status.Conditions, nodeCondition(
		"InterlinkConnectivity", true, "InterlinkPingSuccessful", "Ping successful with code 200. Response: "+said))
	var answer pingAnswer
	if json.Unmarshal([]byte(said), &answer) != nil {
		return
	}
	if reported := answer.Resources; reported != nil {
		for _, resources := range []v1.ResourceList{status.Capacity, status.Allocatable} {
			setQuantity(resources, "cpu", reported.CPU)
			setQuantity(resources, "memory", reported.Memory)
			setQuantity(resources, "pods", reported.Pods)
			for _, accelerator := range reported.Accelerators {
				setQuantity(resources, accelerator.ResourceType, accelerator.Available)
			}
		}
	}
	if answer.Taints != nil {
		virtual.node.Spec.Taints = taints(*answer.Taints)
	}
}

func setQuantity(resources v1.ResourceList, name, text string) {
	if quantity, err := resource.ParseQuantity(text); err == nil {
		resources[v1.ResourceName(name)] = quantity
	}
}
