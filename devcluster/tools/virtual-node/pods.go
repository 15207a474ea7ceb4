package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"sync"
	"time"

	"github.com/virtual-kubelet/virtual-kubelet/errdefs"
	"github.com/virtual-kubelet/virtual-kubelet/node/api"
	"github.com/virtual-kubelet/virtual-kubelet/node/nodeutil"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

const (
	statusInterval  = 5 * time.Second
	jobIDAnnotation = "JobID"
	podIPAnnotation = "interlink.eu/pod-ip"
	withoutTunnelIP = "127.0.0.1"
)

// pods are the virtual pods of the Node. A pod's tunnel is made before its job, and deleted before it.
type pods struct {
	nodeutil.Provider // the methods that no route of main.go calls

	nodeName string
	client   kubernetes.Interface
	remote   *interLink
	tunnels  *tunnels
	notify   func(*v1.Pod)

	mutex sync.Mutex
	byUID map[types.UID]*v1.Pod
}

func newPods(nodeName string, client kubernetes.Interface, remote *interLink, tunnels *tunnels) *pods {
	return &pods{
		nodeName: nodeName, client: client, remote: remote, tunnels: tunnels, byUID: map[types.UID]*v1.Pod{},
	}
}

// NotifyPods starts the loop that asks for the state of every pod that has not ended.
func (all *pods) NotifyPods(ctx context.Context, notify func(*v1.Pod)) {
	all.notify = notify
	go func() {
		for ticker := time.NewTicker(statusInterval); ; {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			for _, pod := range all.list() {
				if !ended(pod) {
					all.refresh(ctx, pod)
				}
			}
		}
	}()
}

// CreatePod makes the tunnel, waits for its address, and submits the job in the background.
func (all *pods) CreatePod(ctx context.Context, given *v1.Pod) error {
	pod := given.DeepCopy()
	address := withoutTunnelIP
	if all.tunnels.wanted(pod) {
		var err error
		if address, err = all.tunnels.create(ctx, pod); err != nil {
			return err
		}
	}
	if wanted, found := pod.Annotations[podIPAnnotation]; found {
		address = wanted
	}
	now := metav1.Now()
	pod.Status = v1.PodStatus{
		Phase: v1.PodPending, HostIP: address, PodIP: address, StartTime: &now, Conditions: podConditions(true, false),
	}
	for _, container := range pod.Spec.Containers {
		waiting := &v1.ContainerStateWaiting{
			Reason: "Remote pod submitted", Message: "The pod has been submitted to the remote plugin for creation",
		}
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, containerStatus(container, waiting, nil))
	}
	all.keep(pod)
	go all.submit(context.WithoutCancel(ctx), pod)
	return nil
}

func (all *pods) submit(ctx context.Context, pod *v1.Pod) {
	answer, err := all.remote.create(ctx, pod)
	if err != nil {
		log.Printf("create %s/%s: %v", pod.Namespace, pod.Name, err)
		all.change(pod.UID, func(pod *v1.Pod) { fail(pod, err.Error()) })
		return
	}
	all.change(pod.UID, func(pod *v1.Pod) {
		if answer.PodUID == string(pod.UID) {
			metav1.SetMetaDataAnnotation(&pod.ObjectMeta, jobIDAnnotation, answer.PodJID)
		}
	})
}

func fail(pod *v1.Pod, message string) {
	pod.Status = v1.PodStatus{
		Phase: v1.PodFailed, HostIP: pod.Status.HostIP, PodIP: pod.Status.PodIP, StartTime: pod.Status.StartTime,
		Conditions: podConditions(false, false), Reason: "ProviderFailed", Message: message,
	}
	for _, container := range pod.Spec.Containers {
		ended := &v1.ContainerStateTerminated{ExitCode: 1, Reason: "ProviderFailed", Message: message}
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, containerStatus(container, nil, ended))
	}
}

func containerStatus(
	container v1.Container, waiting *v1.ContainerStateWaiting, ended *v1.ContainerStateTerminated,
) v1.ContainerStatus {
	return v1.ContainerStatus{
		Name: container.Name, Image: container.Image, State: v1.ContainerState{Waiting: waiting, Terminated: ended},
	}
}

func podConditions(scheduled, ready bool) []v1.PodCondition {
	status := map[bool]v1.ConditionStatus{true: v1.ConditionTrue, false: v1.ConditionFalse}
	return []v1.PodCondition{
		{Type: v1.PodInitialized, Status: status[scheduled]},
		{Type: v1.PodReady, Status: status[ready]},
		{Type: v1.PodScheduled, Status: status[scheduled]},
	}
}

// refresh takes over the plugin's state of a pod. The plugin may answer with the state of another pod.
func (all *pods) refresh(ctx context.Context, asked *v1.Pod) {
	state, err := all.remote.status(ctx, asked)
	if err != nil {
		log.Printf("status of %s/%s: %v", asked.Namespace, asked.Name, err)
	}
	if state == nil {
		return
	}
	all.change(types.UID(state.UID), func(pod *v1.Pod) {
		if !ended(pod) {
			takeOver(&pod.Status, state.Containers)
		}
	})
}

// takeOver writes the states of containers into a pod's status. Ready stays true after the first time, also in a pod
// that fails: only a pod that succeeds loses it.
func takeOver(status *v1.PodStatus, containers []v1.ContainerStatus) {
	terminated, failed, running := 0, "", false
	for _, remote := range containers {
		switch {
		case remote.State.Terminated != nil:
			terminated++
			remote.State.Terminated.Reason = "Completed"
			if code := remote.State.Terminated.ExitCode; code != 0 {
				failed = fmt.Sprintf("Error: %d", code)
				remote.State.Terminated.Reason = failed
			}
		case remote.State.Running != nil:
			running, remote.Ready = true, true
		}
		set(status, remote)
	}
	switch {
	case terminated == len(containers) && failed != "":
		status.Phase, status.Reason = v1.PodFailed, failed
	case terminated == len(containers):
		status.Conditions = append(status.Conditions, v1.PodCondition{Type: v1.PodReady, Status: v1.ConditionFalse})
		status.Phase, status.Reason = v1.PodSucceeded, "Completed"
	case running && status.Phase != v1.PodRunning:
		status.Conditions = []v1.PodCondition{{Type: v1.PodReady, Status: v1.ConditionTrue}}
		status.Phase, status.Reason = v1.PodRunning, "Running"
	}
}

func set(status *v1.PodStatus, container v1.ContainerStatus) {
	for index := range status.ContainerStatuses {
		if status.ContainerStatuses[index].Name == container.Name {
			status.ContainerStatuses[index] = container
			return
		}
	}
	status.ContainerStatuses = append(status.ContainerStatuses, container)
}

func ended(pod *v1.Pod) bool {
	return pod.Status.Phase == v1.PodFailed || pod.Status.Phase == v1.PodSucceeded
}

// DeletePod deletes the tunnel at once and the job right after, and does not repeat what fails.
func (all *pods) DeletePod(ctx context.Context, given *v1.Pod) error {
	all.mutex.Lock()
	_, known := all.byUID[given.UID]
	delete(all.byUID, given.UID)
	all.mutex.Unlock()
	if !known {
		return errdefs.NotFound("pod not found")
	}
	pod := given.DeepCopy()
	if all.tunnels.wanted(pod) {
		name, namespace := tunnelNames(pod)
		all.tunnels.delete(ctx, name, namespace)
	}
	go func(pod *v1.Pod) {
		if err := all.remote.delete(context.WithoutCancel(ctx), pod); err != nil {
			log.Printf("delete %s/%s: %v", pod.Namespace, pod.Name, err)
		}
	}(pod.DeepCopy())
	pod.Status.Reason = "VKProviderPodDeleted"
	for index := range pod.Status.ContainerStatuses {
		pod.Status.ContainerStatuses[index].Ready = false
		pod.Status.ContainerStatuses[index].State = v1.ContainerState{Terminated: &v1.ContainerStateTerminated{
			Reason: "VKProviderPodContainerDeleted", Message: "VK provider terminated container upon deletion",
			FinishedAt: metav1.Now(),
		}}
	}
	all.notify(pod)
	return nil
}

// UpdatePod ignores changes of a pod, as interLink does.
func (all *pods) UpdatePod(context.Context, *v1.Pod) error {
	return nil
}

// GetPods adopts the pods that an earlier run submitted, which have the number of their job in an annotation.
func (all *pods) GetPods(ctx context.Context) ([]*v1.Pod, error) {
	found, err := all.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + all.nodeName})
	if err != nil {
		return nil, err
	}
	for index := range found.Items {
		pod := &found.Items[index]
		if _, submitted := pod.Annotations[jobIDAnnotation]; submitted {
			all.mutex.Lock()
			if _, known := all.byUID[pod.UID]; !known {
				all.byUID[pod.UID] = pod
			}
			all.mutex.Unlock()
		}
	}
	return all.list(), nil
}

// GetPod returns a pod by its name.
func (all *pods) GetPod(_ context.Context, namespace, name string) (*v1.Pod, error) {
	for _, pod := range all.list() {
		if pod.Namespace == namespace && pod.Name == name {
			return pod, nil
		}
	}
	return nil, errdefs.NotFoundf("pod %s/%s is not known to the provider", namespace, name)
}

// GetPodStatus returns the status of a pod by its name.
func (all *pods) GetPodStatus(ctx context.Context, namespace, name string) (*v1.PodStatus, error) {
	pod, err := all.GetPod(ctx, namespace, name)
	if err != nil {
		return nil, err
	}
	return &pod.Status, nil
}

// GetContainerLogs returns the output of a pod's job and of its container.
func (all *pods) GetContainerLogs(
	ctx context.Context, namespace, name, container string, options api.ContainerLogOpts,
) (io.ReadCloser, error) {
	pod, err := all.client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if options.Follow {
		return nil, errors.New("this stand-in has no `logs --follow`")
	}
	request := logRequest{Namespace: namespace, PodUID: string(pod.UID), PodName: name, ContainerName: container}
	return all.remote.logs(ctx, request, options)
}

func (all *pods) list() []*v1.Pod {
	all.mutex.Lock()
	defer all.mutex.Unlock()
	copies := make([]*v1.Pod, 0, len(all.byUID))
	for _, pod := range all.byUID {
		copies = append(copies, pod.DeepCopy())
	}
	return copies
}

func (all *pods) keep(pod *v1.Pod) {
	all.mutex.Lock()
	all.byUID[pod.UID] = pod.DeepCopy()
	all.mutex.Unlock()
	all.notify(pod.DeepCopy())
}

// change alters a pod, unless it is deleted already, and reports it.
func (all *pods) change(uid types.UID, alter func(*v1.Pod)) {
	all.mutex.Lock()
	pod, known := all.byUID[uid]
	if known {
		alter(pod)
		pod = pod.DeepCopy()
	}
	all.mutex.Unlock()
	if known {
		all.notify(pod)
	}
}
