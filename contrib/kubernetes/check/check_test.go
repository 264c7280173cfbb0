// Package check proves, as far as that goes without a cluster, that the files beside it
// are what Kubernetes takes: each document is decoded strictly into its type of
// k8s.io/api, and each flag is one of the program's.
package check

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// decode reads the documents of a file: unknown and doubled fields, and values of
// another type, are errors.
func decode(t *testing.T, file string) (objects []runtime.Object) {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appsv1.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme, policyv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	documents := yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(data)))
	for {
		buf := make([]byte, 1<<20)
		n, err := documents.Read(buf)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		object, _, err := decoder.Decode(buf[:n], nil, nil)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		objects = append(objects, object)
	}
}

// pods are the templates of pods in an object.
func pods(object runtime.Object) []*corev1.PodTemplateSpec {
	switch o := object.(type) {
	case *appsv1.Deployment:
		return []*corev1.PodTemplateSpec{&o.Spec.Template}
	case *batchv1.Job:
		return []*corev1.PodTemplateSpec{&o.Spec.Template}
	case *batchv1.CronJob:
		return []*corev1.PodTemplateSpec{&o.Spec.JobTemplate.Spec.Template}
	}
	return nil
}

func files(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob("../*.yaml")
	if err != nil || len(list) < 6 {
		t.Fatalf("%q, %v", list, err)
	}
	return list
}

func TestManifests(t *testing.T) {
	program := filepath.Join(t.TempDir(), "clonecratesio")
	build := exec.Command("go", "build", "-o", program, "./cmd/clonecratesio")
	build.Dir = "../../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, file := range files(t) {
		for _, object := range decode(t, file) {
			for _, pod := range pods(object) {
				checkPod(t, file, program, pod)
			}
			checkSelectors(t, file, object)
		}
	}
}

func checkPod(t *testing.T, file, program string, pod *corev1.PodTemplateSpec) {
	t.Helper()
	s := pod.Spec
	if s.SecurityContext == nil || s.SecurityContext.RunAsNonRoot == nil || !*s.SecurityContext.RunAsNonRoot || s.AutomountServiceAccountToken == nil || *s.AutomountServiceAccountToken {
		t.Errorf("%s: a pod has more rights than it needs", file)
	}
	volumes := map[string]bool{}
	for _, v := range s.Volumes {
		volumes[v.Name] = true
	}
	for i := range s.Containers {
		c := &s.Containers[i]
		if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
			t.Errorf("%s: %s has no resources", file, c.Name)
		}
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				t.Errorf("%s: %s mounts %s, which is not there", file, c.Name, m.Name)
			}
		}
		ports := map[string]bool{}
		for _, p := range c.Ports {
			ports[p.Name] = true
		}
		for _, probe := range []*corev1.Probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
			if probe != nil && !ports[probe.HTTPGet.Port.StrVal] {
				t.Errorf("%s: a probe asks at %s", file, probe.HTTPGet.Port.String())
			}
		}
		checkFlags(t, file, program, c)
	}
}

var variable = regexp.MustCompile(`\$\((\w+)\)`)

// checkFlags asks the program itself about the flags.
func checkFlags(t *testing.T, file, program string, c *corev1.Container) {
	t.Helper()
	help, err := exec.Command(program, c.Args[0], "-help").Output()
	if err != nil {
		t.Errorf("%s: %s: %v", file, c.Args[0], err)
	}
	for _, arg := range c.Args[1:] {
		flag, value, ok := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
		if !ok || !strings.Contains(string(help), "\n  -"+flag+" ") {
			t.Errorf("%s: %s has no flag %s", file, c.Args[0], arg)
		}
		for _, m := range variable.FindAllStringSubmatch(value, -1) {
			known := false
			for _, e := range c.Env {
				known = known || e.Name == m[1]
			}
			if !known {
				t.Errorf("%s: %s names a variable that is not set", file, arg)
			}
		}
	}
}

// checkSelectors compares selectors with what they are to find.
func checkSelectors(t *testing.T, file string, object runtime.Object) {
	t.Helper()
	switch o := object.(type) {
	case *appsv1.Deployment:
		for key, value := range o.Spec.Selector.MatchLabels {
			if o.Spec.Template.Labels[key] != value {
				t.Errorf("%s: the selector names %s=%s, the pods do not have it", file, key, value)
			}
		}
	case *batchv1.CronJob:
		job := o.Spec.JobTemplate.Spec
		if job.CompletionMode != nil && *job.CompletionMode == batchv1.IndexedCompletion && (*job.Completions != *job.Parallelism || !strings.Contains(strings.Join(job.Template.Spec.Containers[0].Args, " "), "-shard=$(SHARD)/8") || *job.Completions != 8) {
			t.Errorf("%s: as many completions as shards, all at a time", file)
		}
		if job.PodFailurePolicy != nil && job.Template.Spec.RestartPolicy != corev1.RestartPolicyNever {
			t.Errorf("%s: a podFailurePolicy needs restartPolicy: Never", file)
		}
	}
}

// What strict decoding is for: a field that is spelled wrong is found.
func TestStrict(t *testing.T) {
	data, err := os.ReadFile("../sync.yaml")
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := batchv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	for _, change := range [][2]string{{"completionMode:", "completitionMode:"}, {"completions: 8", "completions: eight"}, {"spec:\n", "spec:\n  suspend: true\n  suspend: true\n"}} {
		wrong := bytes.Replace(data, []byte(change[0]), []byte(change[1]), 1)
		if _, _, err := decoder.Decode(wrong, nil, nil); err == nil {
			t.Errorf("%s in the place of %s is taken", change[1], change[0])
		}
	}
}
