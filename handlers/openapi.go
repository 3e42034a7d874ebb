package handlers

import (
	"usher/handlers/usher"
	"usher/storage"
)

// Documents lists what OpenAPI knows: the APIs, and usher's own.
func Documents() []string { return append(Names(), usher.Name) }

// OpenAPI is the effective contract of an API, or of usher's own, as a running
// server shows it: an OpenAPI document, in YAML. Errors: there is none of that
// name.
func OpenAPI(name string) ([]byte, error) {
	if name == usher.Name {
		api, err := usher.Options{}.API() // of which nothing is asked
		return api.OpenAPI, err
	}
	for _, v := range apis(Options{}) {
		if v.name == name {
			api, err := v.api(new(storage.Store)) // likewise
			return api.OpenAPI, err
		}
	}
	return nil, errNoAPI(name)
}
