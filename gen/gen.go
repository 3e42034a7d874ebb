// Package gen holds the go:generate lines. Everything below it is generated
// from the contracts of openapi/ and is never edited: per API the effective
// contract (openapi.yaml, embedded), models, the strict echo server and a
// client. The configurations beside this file are the only thing written by
// hand.
package gen

//go:generate go run usher/cmd/contract -document ../openapi/fusion.yaml -overlay ../openapi/fusion.overlay.yaml -out fusion
//go:generate go run usher/cmd/contract -document ../openapi/applivery.yaml -out applivery
//go:generate go run usher/cmd/contract -document ../openapi/saymon.yaml -out saymon
//go:generate go run usher/cmd/contract -document ../openapi/milvus.yaml -out milvus
//go:generate go run usher/cmd/contract -document ../openapi/usher.yaml -out usher

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen -config fusion.cfg.yaml fusion/openapi.yaml
//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen -config applivery.cfg.yaml applivery/openapi.yaml
//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen -config saymon.cfg.yaml saymon/openapi.yaml
//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen -config milvus.cfg.yaml milvus/openapi.yaml
//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen -config usher.cfg.yaml usher/openapi.yaml
