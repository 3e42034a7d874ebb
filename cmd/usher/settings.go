package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// adminPassword is the variable that holds an API's first administrator's
// password. It is no flag: a command line can be read by every user of the
// machine.
func adminPassword(api string) string {
	return variable(api + "-admin-password")
}

// variable is the environment's name of a flag: USHER_LOG_FORMAT for log-format.
func variable(flag string) string {
	return "USHER_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromEnvironment sets each flag that the command line leaves alone from its
// variable, and returns the values of the other variables named. A USHER_
// variable that is neither is an error, as an unknown flag is: a misspelt
// setting must not pass for a default.
func fromEnvironment(flags *pflag.FlagSet, environ []string, others ...string) (map[string]string, error) {
	values := map[string]string{}
	var unknown []string
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "USHER_") {
			continue
		}
		if slices.Contains(others, name) {
			values[name] = value
			continue
		}
		flag := flags.Lookup(strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, "USHER_"), "_", "-")))
		if flag == nil || flag.Name == "help" || variable(flag.Name) != name {
			unknown = append(unknown, name)
			continue
		}
		if flag.Changed {
			continue
		}
		if err := flags.Set(flag.Name, value); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return nil, fmt.Errorf("unknown settings: %s", strings.Join(unknown, ", "))
	}
	return values, nil
}
