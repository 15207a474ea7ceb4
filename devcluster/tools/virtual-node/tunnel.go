package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"maps"
	"os"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
)

const (
	sameNamespaceAnnotation = "interlink.eu/shadow-same-ns"
	extraPortsAnnotation    = "interlink.eu/wstunnel-extra-ports"
	commandsAnnotation      = "interlink.eu/wstunnel-client-commands"
	prefixAnnotation        = "interlink.eu/wstunnel-path-prefix"
	timeoutAnnotation       = "interlink.virtual-kubelet.io/wstunnel-timeout"
	slurmAnnotations        = "slurm-job.vk.io/"
	maxLabel                = 63
	podTimeout              = 30 * time.Second
)

// tunnels makes the objects of a template for a pod, and deletes them by name.
type tunnels struct {
	client  kubernetes.Interface
	network Network
}

// portMapping is a port of the template data.
type portMapping struct {
	Port     int32
	Name     string
	Protocol string
}

// templateData is interLink's WstunnelTemplateData. Fields of the mesh and of local containers are always empty here.
type templateData struct {
	Name                string
	Namespace           string
	RandomPassword      string
	ExposedPorts        []portMapping
	WildcardDNS         string
	WGPrivateKey        string
	ClientPublicKey     string
	WGMTU               int
	KeepaliveSecs       int
	ClientPrivateKey    string
	LocalContainers     []v1.Container
	LocalInitContainers []v1.Container
	Volumes             []v1.Volume
	PodLabels           map[string]string
	PodAnnotations      map[string]string
}

func (all *tunnels) wanted(pod *v1.Pod) bool {
	return all.network.EnableTunnel && len(exposedPorts(pod)) > 0
}

// create makes a pod's tunnel, writes the client's command into the pod's annotations, and returns the tunnel pod's
// address. After an error it deletes objects of another name, as interLink does: those that it made stay.
func (all *tunnels) create(ctx context.Context, pod *v1.Pod) (string, error) {
	address, err := all.tryCreate(ctx, pod)
	if err != nil {
		all.delete(ctx, pod.Name+"-wstunnel", pod.Namespace)
		return "", fmt.Errorf("failed to create wstunnel infrastructure for exposed ports: %w", err)
	}
	return address, nil
}

func (all *tunnels) tryCreate(ctx context.Context, pod *v1.Pod) (string, error) {
	if pod.Annotations[sameNamespaceAnnotation] != "true" {
		return "", fmt.Errorf("annotation %s is not \"true\": this stand-in has tunnels in the pod's own namespace only",
			sameNamespaceAnnotation)
	}
	data := all.data(ctx, pod)
	source, err := os.ReadFile(all.network.WstunnelTemplatePath)
	if err != nil {
		return "", err
	}
	parsed, err := template.New("wstunnel").Parse(string(source))
	if err != nil {
		return "", err
	}
	var manifests strings.Builder
	if err := parsed.Execute(&manifests, data); err != nil {
		return "", err
	}
	if err := all.apply(ctx, manifests.String(), data); err != nil {
		return "", err
	}
	tunnelPod, err := all.firstPod(ctx, data)
	if err != nil {
		return "", err
	}
	timeout, err := time.ParseDuration(pod.Annotations[timeoutAnnotation])
	if err != nil {
		timeout = podTimeout
	}
	address, err := all.address(ctx, data.Namespace, tunnelPod, timeout)
	if err != nil {
		return "", err
	}
	return address, all.annotate(ctx, pod, data)
}

func (all *tunnels) data(ctx context.Context, pod *v1.Pod) templateData {
	name, namespace := tunnelNames(pod)
	prefix := make([]byte, 16)
	rand.Read(prefix)
	data := templateData{
		Name: name, Namespace: namespace, RandomPassword: hex.EncodeToString(prefix), ExposedPorts: exposedPorts(pod),
		WildcardDNS: all.network.WildcardDNS, PodLabels: maps.Clone(pod.Labels), PodAnnotations: map[string]string{},
	}
	for key, value := range pod.Annotations {
		if !strings.HasPrefix(key, slurmAnnotations) {
			data.PodAnnotations[key] = value
		}
	}
	deployment, err := all.client.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
	if err == nil && deployment.Spec.Template.Annotations[prefixAnnotation] != "" {
		data.RandomPassword = deployment.Spec.Template.Annotations[prefixAnnotation]
	}
	return data
}

// exposedPorts returns the ports of the containers and of the annotation, without duplicates, in random order.
func exposedPorts(pod *v1.Pod) []portMapping {
	ports := map[string]portMapping{}
	add := func(port portMapping) {
		key := fmt.Sprintf("%d-%s", port.Port, port.Protocol)
		if _, found := ports[key]; !found {
			ports[key] = port
		}
	}
	for _, container := range append(append([]v1.Container{}, pod.Spec.Containers...), pod.Spec.InitContainers...) {
		for _, port := range container.Ports {
			add(portMapping{Port: port.ContainerPort, Name: port.Name, Protocol: either(string(port.Protocol), "TCP")})
		}
	}
	for _, text := range strings.Split(pod.Annotations[extraPortsAnnotation], ",") {
		parts := append(strings.Split(strings.TrimSpace(text), ":"), "", "")
		if number, err := strconv.ParseInt(parts[0], 10, 32); err == nil {
			protocol := either(strings.ToUpper(parts[2]), "TCP")
			add(portMapping{Port: int32(number), Name: parts[1], Protocol: protocol})
		}
	}
	list := make([]portMapping, 0, len(ports))
	for _, port := range ports {
		list = append(list, port)
	}
	return list
}

func either(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// apply makes or replaces the objects of manifests. The documents are split at every `---`, also within a line.
func (all *tunnels) apply(ctx context.Context, manifests string, data templateData) error {
	decoder := scheme.Codecs.UniversalDeserializer()
	deployments := 0
	for _, document := range strings.Split(manifests, "---") {
		if strings.TrimSpace(document) == "" {
			continue
		}
		object, _, err := decoder.Decode([]byte(document), nil, nil)
		if err != nil {
			log.Printf("template of tunnel %s/%s: a document is left out: %v", data.Namespace, data.Name, err)
			continue
		}
		if deployment, is := object.(*appsv1.Deployment); is {
			deployments++
			inherit(&deployment.Spec.Template.ObjectMeta, data)
		}
		if err := all.applyObject(ctx, object); err != nil {
			return err
		}
	}
	if deployments == 0 {
		return errors.New("no deployment found in manifests")
	}
	return nil
}

func (all *tunnels) applyObject(ctx context.Context, object runtime.Object) error {
	switch object := object.(type) {
	case *appsv1.Deployment:
		return apply(ctx, all.client.AppsV1().Deployments(object.Namespace), object)
	case *v1.Service:
		return apply(ctx, all.client.CoreV1().Services(object.Namespace), object)
	case *networkingv1.Ingress:
		return apply(ctx, all.client.NetworkingV1().Ingresses(object.Namespace), object)
	case *v1.ConfigMap:
		return apply(ctx, all.client.CoreV1().ConfigMaps(object.Namespace), object)
	case *v1.Secret:
		return apply(ctx, all.client.CoreV1().Secrets(object.Namespace), object)
	default:
		log.Printf("unsupported resource type %T of the template is left out", object)
		return nil
	}
}

// inherit adds the virtual pod's labels and annotations to the tunnel pod's; those of the template win.
func inherit(own *metav1.ObjectMeta, data templateData) {
	labels, annotations := maps.Clone(data.PodLabels), maps.Clone(data.PodAnnotations)
	maps.Copy(labels, own.Labels)
	maps.Copy(annotations, own.Annotations)
	own.Labels, own.Annotations = labels, annotations
}

// objects is the part of a typed client that `apply` calls.
type objects[T metav1.Object] interface {
	Create(context.Context, T, metav1.CreateOptions) (T, error)
	Get(context.Context, string, metav1.GetOptions) (T, error)
	Update(context.Context, T, metav1.UpdateOptions) (T, error)
}

func apply[T metav1.Object](ctx context.Context, client objects[T], object T) error {
	_, err := client.Create(ctx, object, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	present, err := client.Get(ctx, object.GetName(), metav1.GetOptions{})
	if err != nil {
		return err
	}
	object.SetResourceVersion(present.GetResourceVersion())
	object.SetUID(present.GetUID())
	_, err = client.Update(ctx, object, metav1.UpdateOptions{})
	return err
}

// firstPod returns the name of a pod that is labelled with the tunnel's name, once there is one.
func (all *tunnels) firstPod(ctx context.Context, data templateData) (string, error) {
	selector := metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=" + data.Name}
	for deadline := time.Now().Add(podTimeout); time.Now().Before(deadline); time.Sleep(time.Second) {
		found, err := all.client.CoreV1().Pods(data.Namespace).List(ctx, selector)
		if err == nil && len(found.Items) > 0 {
			return found.Items[0].Name, nil
		}
	}
	return "", fmt.Errorf("no pod found for deployment %s within timeout", data.Name)
}

func (all *tunnels) address(ctx context.Context, namespace, name string, timeout time.Duration) (string, error) {
	for deadline := time.Now().Add(timeout); time.Now().Before(deadline); time.Sleep(time.Second) {
		pod, err := all.client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
		if err == nil && pod.Status.PodIP != "" {
			return pod.Status.PodIP, nil
		}
	}
	return "", fmt.Errorf("wstunnel pod %s/%s failed to get an IP within %s timeout", namespace, name, timeout)
}

// annotate gives the pod the command that connects its job to the tunnel, here and in the cluster.
func (all *tunnels) annotate(ctx context.Context, pod *v1.Pod, data templateData) error {
	metav1.SetMetaDataAnnotation(&pod.ObjectMeta, commandsAnnotation, clientCommand(all.network, data))
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": pod.Annotations}})
	if err == nil {
		pods := all.client.CoreV1().Pods(pod.Namespace)
		_, err = pods.Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	}
	if err != nil {
		log.Printf("annotation of %s/%s: %v", pod.Namespace, pod.Name, err)
	}
	return nil
}

// clientCommand fills the command in with the path prefix, one -R for each TCP port, and the tunnel's host name.
func clientCommand(network Network, data templateData) string {
	var forwards []string
	for _, port := range data.ExposedPorts {
		if port.Protocol != "UDP" {
			forwards = append(forwards, fmt.Sprintf("-R tcp://0.0.0.0:%d:localhost:%d", port.Port, port.Port))
		}
	}
	host := data.Name
	if network.WildcardDNS != "" {
		host = fmt.Sprintf("%s-%s.%s", data.Name, data.Namespace, network.WildcardDNS)
	}
	return fmt.Sprintf(network.WstunnelCommand, data.RandomPassword, strings.Join(forwards, " "), host)
}

func (all *tunnels) delete(ctx context.Context, name, namespace string) {
	for kind, err := range map[string]error{
		"deployment": all.client.AppsV1().Deployments(namespace).Delete(ctx, name, metav1.DeleteOptions{}),
		"service":    all.client.CoreV1().Services(namespace).Delete(ctx, name, metav1.DeleteOptions{}),
		"ingress":    all.client.NetworkingV1().Ingresses(namespace).Delete(ctx, name, metav1.DeleteOptions{}),
		"configmap":  all.client.CoreV1().ConfigMaps(namespace).Delete(ctx, name+"-wg-config", metav1.DeleteOptions{}),
	} {
		if err != nil {
			log.Printf("delete %s %s/%s: %v", kind, namespace, name, err)
		}
	}
}

var notInNames = regexp.MustCompile("[^a-z0-9]+")

// tunnelNames returns the name and namespace of a pod's tunnel in the pod's own namespace, by interLink's rules since
// #536: a name that is too long is cut and ends with a digest of the whole.
func tunnelNames(pod *v1.Pod) (name, namespace string) {
	podPart, namespace := dnsName(pod.Name), dnsName(pod.Namespace)
	whole := "wstunnel-" + pod.Name + "-" + pod.Namespace
	name = "wstunnel-" + podPart + "-" + namespace
	if len(name) > maxLabel {
		name = strings.TrimRight("wstunnel-"+shorten(podPart, 28, whole)+"-"+cut(namespace, 28), "-")
	}
	if len(name+"-"+namespace) > maxLabel {
		return shorten(name, 31, whole), strings.TrimRight(cut(namespace, 31), "-")
	}
	return name, namespace
}

func dnsName(text string) string {
	name := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(text), "-"), "-")
	return either(strings.TrimRight(cut(name, maxLabel), "-"), "default")
}

func shorten(name string, limit int, whole string) string {
	if len(name) <= limit {
		return name
	}
	digest := sha256.Sum256([]byte(whole))
	suffix := hex.EncodeToString(digest[:4])
	return strings.TrimRight(name[:limit-len(suffix)-1], "-") + "-" + suffix
}

func cut(text string, limit int) string {
	return text[:min(len(text), limit)]
}
