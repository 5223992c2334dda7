//go:build tools

// Package kubernetes names the programs that tests/tools/setup.sh builds from here.
package kubernetes

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
)
