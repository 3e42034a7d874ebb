//go:build tools

// Package tools pins the versions of what go generate runs and reads.
package tools

import (
	_ "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen"
	_ "github.com/trustelem/zxcvbn/frequency"
)
