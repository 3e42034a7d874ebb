// Code generated from openapi/fusion.yaml and openapi/fusion.overlay.yaml. DO NOT EDIT.

package fusion

import _ "embed"

// OpenAPI is the effective contract, in YAML: what requests and answers are
// validated against, and what this package was generated from.
//
//go:embed openapi.yaml
var OpenAPI []byte
