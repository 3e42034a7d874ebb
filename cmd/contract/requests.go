package main

import (
	"bytes"
	"encoding/json"
	"maps"

	"github.com/getkin/kin-openapi/openapi3"
)

// requests is the share of a contract that a request is held against:
// operations, parameters, bodies and the schemas these refer to, as JSON,
// without the words, and which operations answer with a stream. A server that
// starts parses a tenth of the document.
func requests(contract []byte) ([]byte, error) {
	doc, err := openapi3.NewLoader().LoadFromData(contract)
	if err != nil {
		return nil, err
	}
	k := keeper{from: doc.Components.Schemas, schemas: openapi3.Schemas{}}
	kept := &openapi3.T{OpenAPI: doc.OpenAPI, Info: &openapi3.Info{Title: doc.Info.Title, Version: doc.Info.Version}, Paths: openapi3.NewPaths()}
	for path, item := range doc.Paths.Map() {
		kept.Paths.Set(path, k.item(item))
	}
	kept.Components = &openapi3.Components{Schemas: k.schemas}
	compact, err := kept.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = json.Indent(&out, compact, "", " ") // for the sake of differences that can be read
	out.WriteByte('\n')
	return out.Bytes(), err
}

// keeper copies what is to be kept; the schemas that it meets by reference go
// into schemas.
type keeper struct {
	from, schemas openapi3.Schemas
}

func (k keeper) item(item *openapi3.PathItem) *openapi3.PathItem {
	kept := &openapi3.PathItem{Parameters: k.parameters(item.Parameters)}
	for method, op := range item.Operations() {
		o := &openapi3.Operation{OperationID: op.OperationID, Parameters: k.parameters(op.Parameters)}
		if op.RequestBody != nil {
			o.RequestBody = k.body(op.RequestBody.Value)
		}
		o.Responses = streams(op.Responses)
		kept.SetOperation(method, o)
	}
	return kept
}

// streams are the answers that have no end; nil: there are none.
func streams(all *openapi3.Responses) *openapi3.Responses {
	const events = "text/event-stream"
	var kept []openapi3.NewResponsesOption
	for status, answer := range all.Map() {
		if answer.Value.Content[events] != nil {
			kept = append(kept, openapi3.WithName(status, &openapi3.Response{Content: openapi3.Content{events: openapi3.NewMediaType()}}))
		}
	}
	if kept == nil {
		return nil
	}
	return openapi3.NewResponses(kept...)
}

func (k keeper) parameters(all openapi3.Parameters) openapi3.Parameters {
	var kept openapi3.Parameters
	for _, p := range all {
		kept = append(kept, &openapi3.ParameterRef{Value: &openapi3.Parameter{
			Name: p.Value.Name, In: p.Value.In, Required: p.Value.Required, Schema: k.schema(p.Value.Schema),
		}})
	}
	return kept
}

func (k keeper) body(b *openapi3.RequestBody) *openapi3.RequestBodyRef {
	kept := &openapi3.RequestBody{Required: b.Required, Content: openapi3.Content{}}
	for media, content := range b.Content {
		kept.Content[media] = &openapi3.MediaType{Schema: k.schema(content.Schema)}
	}
	return &openapi3.RequestBodyRef{Value: kept}
}

// schema copies a schema; one that is a reference stays one, and what it refers
// to is kept as well.
func (k keeper) schema(ref *openapi3.SchemaRef) *openapi3.SchemaRef {
	if ref == nil {
		return nil
	}
	if ref.Ref != "" {
		for name, s := range k.from {
			if s.Value == ref.Value && k.schemas[name] == nil {
				k.schemas[name] = &openapi3.SchemaRef{} // first, for schemas that refer to themselves
				k.schemas[name] = k.schema(s)
			}
		}
		return &openapi3.SchemaRef{Ref: ref.Ref}
	}
	kept := *ref.Value
	// OpenAPI 3.0 has no nullable without a type, and means that null fits. Not every
	// schema without one is meant so, if it stands for two types: who means it says it.
	kept.Nullable = kept.Nullable || kept.Extensions["x-nullable"] == true
	kept.Title, kept.Description, kept.Example, kept.ExternalDocs = "", "", nil, nil
	kept.Extensions = maps.Clone(kept.Extensions)
	maps.DeleteFunc(kept.Extensions, func(name string, _ any) bool { return name != "x-order" })
	kept.Items = k.schema(kept.Items)
	kept.Not = k.schema(kept.Not)
	kept.AllOf, kept.AnyOf, kept.OneOf = k.list(kept.AllOf), k.list(kept.AnyOf), k.list(kept.OneOf)
	kept.AdditionalProperties.Schema = k.schema(kept.AdditionalProperties.Schema)
	kept.Properties = openapi3.Schemas{}
	for name, property := range ref.Value.Properties {
		kept.Properties[name] = k.schema(property)
	}
	return &openapi3.SchemaRef{Value: &kept}
}

func (k keeper) list(all openapi3.SchemaRefs) openapi3.SchemaRefs {
	var kept openapi3.SchemaRefs
	for _, s := range all {
		kept = append(kept, k.schema(s))
	}
	return kept
}
