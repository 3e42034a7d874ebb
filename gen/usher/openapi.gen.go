// Code generated from openapi/usher.yaml. DO NOT EDIT.

package usher

import _ "embed"

// OpenAPI is the effective contract, in YAML: what is served, what answers are
// held against, and what this package was generated from.
//
//go:embed openapi.yaml
var OpenAPI []byte

// Requests is the share of it that requests are held against, in JSON.
//
//go:embed requests.json
var Requests []byte
