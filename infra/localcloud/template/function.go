package template

import (
	"strings"
	"time"
)

// Of a function's environment, all names and values together.
const maxEnvironment = 4096 // bytes

// What Lambda does where the template is silent, and at most.
const (
	mostRetries  = 2
	mostEventAge = 6 * time.Hour
)

// readFunction reads an AWS::Serverless::Function.
func readFunction(s *scope, r *resource, n *node, out *Stack) error {
	f := Function{ID: r.id, Env: map[string]string{}, Memory: 128, Async: Async{mostRetries, mostEventAge}}
	var code, role string
	timeout := 3
	if err := n.fields(map[string]field{
		"FunctionName":                 known,
		"CodeUri":                      text(&code),
		"Handler":                      text(new(string)),
		"Runtime":                      oneOf(new(string), "provided.al2023"),
		"Architectures":                each(oneOf(new(string), "arm64", "x86_64")),
		"Role":                         text(&role),
		"MemorySize":                   number(&f.Memory, 128, 10240),
		"Timeout":                      number(&timeout, 1, 900),
		"ReservedConcurrentExecutions": number(&f.Concurrency, 1, 1000),
		"Environment":                  inside(map[string]field{"Variables": environment(f.Env)}),
		"Events":                       known, // below
		"EventInvokeConfig":            async(&f.Async),
		"Description":                  text(new(string)),
		"LoggingConfig":                known,
		"Tags":                         known,
		"Tracing":                      oneOf(new(string), "Active", "PassThrough", "Disabled"),
	}); err != nil {
		return err
	}
	if err := n.need("CodeUri", "Role", "Runtime", "Handler"); err != nil {
		return err
	}
	var err error
	if f.Name, err = s.nameOf(r); err != nil {
		return err
	}
	if f.Role, f.Policies, err = s.role(n.get("Role").at, role, functions); err != nil {
		return err
	}
	f.CodeDir, f.Timeout = s.beside(code), time.Duration(timeout)*time.Second
	out.Functions = append(out.Functions, f)
	return s.readEvents(f.ID, n.get("Events"), out)
}

// async reads what becomes of events that nobody waits for.
func async(to *Async) field {
	return func(n *node) error {
		age := int(to.MaxAge.Seconds())
		err := n.fields(map[string]field{
			"MaximumEventAgeInSeconds": number(&age, 60, int(mostEventAge.Seconds())),
			"MaximumRetryAttempts":     number(&to.Retries, 0, mostRetries),
		})
		to.MaxAge = time.Duration(age) * time.Second
		return err
	}
}

// environment reads what a function finds in its environment. Lambda sets some
// names itself and refuses them here.
func environment(to map[string]string) field {
	return func(n *node) error {
		if err := textMap(to)(n); err != nil {
			return err
		}
		size := 0
		for _, p := range n.pairs {
			size += len(p.key) + len(p.value.text)
			if isReserved(p.key) {
				return p.at.errorf("%s is set by Lambda itself", p.key)
			}
		}
		if size > maxEnvironment {
			return n.at.errorf("the environment has %d bytes, Lambda takes %d", size, maxEnvironment)
		}
		return nil
	}
}

func isReserved(name string) bool {
	switch name {
	case "_HANDLER", "_X_AMZN_TRACE_ID", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
		"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV",
		"AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN":
		return true
	}
	return strings.HasPrefix(name, "AWS_LAMBDA_")
}

// readEvents reads what calls a function.
func (s *scope) readEvents(function string, events *node, out *Stack) error {
	if events == nil {
		return nil
	}
	for _, p := range events.pairs {
		var kind string
		properties := &node{at: p.at, kind: mapping}
		if err := p.value.fields(map[string]field{
			"Type":       oneOf(&kind, "HttpApi", "DynamoDB"),
			"Properties": func(n *node) error { properties = n; return n.expect(mapping) },
		}); err != nil {
			return err
		}
		if err := p.value.need("Type"); err != nil {
			return err
		}
		read := s.readRoute
		if kind == "DynamoDB" {
			read = s.readStreamEvent
		}
		if err := read(function, properties, out); err != nil {
			return err
		}
	}
	return nil
}
