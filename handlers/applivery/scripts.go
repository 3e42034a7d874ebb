package applivery

import "embed"

// Scripts say what the API does, one behaviour a file, in testdata.
//
//go:embed testdata/*.txtar
var Scripts embed.FS
