package handlers

import (
	"fmt"
	"io/fs"

	"usher/handlers/conform"
	"usher/handlers/exchange"
)

// Suite is the scripts that say what an API does. Errors: there is no such API.
func Suite(api string) (*conform.Suite, error) {
	v, err := vendorNamed(api, Options{})
	if err != nil {
		return nil, err
	}
	folder, err := fs.Sub(v.scripts, "testdata")
	if err != nil {
		return nil, err
	}
	suite, err := conform.Read(api, folder)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", api, err)
	}
	return suite, nil
}

// ContractOf is the contract of one API, and the API's name for people. Errors:
// there is no such API.
func ContractOf(api string) (contract *exchange.Contract, title string, err error) {
	v, err := vendorNamed(api, Options{})
	if err != nil {
		return nil, "", err
	}
	contracts, err := Contracts()
	if err != nil {
		return nil, "", err
	}
	for _, c := range contracts {
		if c.Name() == api {
			return c, v.title, nil
		}
	}
	return nil, "", errNoAPI(api)
}
