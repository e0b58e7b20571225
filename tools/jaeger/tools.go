//go:build tools

// Package tools pins the Jaeger that the tests run; go.sum holds its hashes.
package tools

import _ "github.com/jaegertracing/jaeger/cmd/jaeger"
