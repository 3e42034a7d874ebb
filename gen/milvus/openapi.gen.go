// Code generated from openapi/milvus.yaml. DO NOT EDIT.

package milvus

import _ "embed"

// OpenAPI is the effective contract, in YAML: what requests and answers are
// validated against, and what this package was generated from.
//
//go:embed openapi.yaml
var OpenAPI []byte
