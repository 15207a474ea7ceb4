// Pod-security judges pods as Kubernetes' Pod Security admission does, by the newest version of a level.
//
// Its argument is the level: restricted, baseline or privileged. It reads a JSON list of pod templates from stdin, and
// writes a JSON list with the violations of each template, such as "host namespaces (hostNetwork=true)".
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

func main() {
	log.SetFlags(0)
	level, err := api.ParseLevel(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		log.Fatal(err)
	}
	var templates []corev1.PodTemplateSpec
	if err := json.NewDecoder(os.Stdin).Decode(&templates); err != nil {
		log.Fatal(err)
	}
	standard := api.LevelVersion{Level: level, Version: api.LatestVersion()}
	violations := make([][]string, len(templates))
	for i, template := range templates {
		violations[i] = []string{}
		for _, result := range evaluator.EvaluatePod(standard, &template.ObjectMeta, &template.Spec) {
			if !result.Allowed {
				found := fmt.Sprintf("%s (%s)", result.ForbiddenReason, result.ForbiddenDetail)
				violations[i] = append(violations[i], found)
			}
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(violations); err != nil {
		log.Fatal(err)
	}
}
