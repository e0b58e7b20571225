//go:build tools

// Package tools pins the Collector builder; go.sum holds its hashes.
package tools

import _ "go.opentelemetry.io/collector/cmd/builder"
