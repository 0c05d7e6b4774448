package template

import (
	"slices"
	"strings"
)

// A resource is one entry of Resources.
type resource struct {
	id         string
	at         position
	model      model
	condition  *node // nil: always
	properties *node // not evaluated; Globals are in it
	dependsOn  []string
	nested     *scope // of a nested stack, once it was looked into
}

// A model is what is known of a type of resources.
type model struct {
	name       string            // the property that names it, if one does
	lower      bool              // its names have no capitals
	ref        string            // what Ref gives, as of Fn::Sub, with ${Name}; the name if empty
	attributes map[string]string // what Fn::GetAtt gives, likewise
	global     string            // the part of Globals that holds for it
	generated  string            // SAM makes another resource of it, whose id ends so
	read       func(s *scope, r *resource, properties *node, out *Stack) error
}

const arnPrefix = "arn:${AWS::Partition}:"

// place is the middle of most ARNs.
const place = ":${AWS::Region}:${AWS::AccountId}:"

// modelOf returns the model of a type. Types without read mean nothing on one
// machine.
func modelOf(name string) (model, bool) {
	m, ok := map[string]model{
		"AWS::Serverless::Function": {
			name: "FunctionName", global: "Function", read: readFunction,
			attributes: map[string]string{"Arn": arnPrefix + "lambda" + place + "function:${Name}"},
		},
		"AWS::Serverless::HttpApi": {
			global: "HttpApi", generated: "ApiGatewayDefaultStage", read: readAPI, ref: "${Name}", lower: true,
			attributes: map[string]string{"ApiEndpoint": "https://${Name}.execute-api.${AWS::Region}.${AWS::URLSuffix}"},
		},
		"AWS::DynamoDB::Table": {
			name: "TableName", read: readTable,
			attributes: map[string]string{
				"Arn":       arnPrefix + "dynamodb" + place + "table/${Name}",
				"StreamArn": arnPrefix + "dynamodb" + place + "table/${Name}/stream/" + streamLabel,
			},
		},
		"AWS::S3::Bucket": {
			name: "BucketName", lower: true, read: readBucket,
			attributes: map[string]string{
				"Arn":                arnPrefix + "s3:::${Name}",
				"DomainName":         "${Name}.s3.${AWS::URLSuffix}",
				"RegionalDomainName": "${Name}.s3.${AWS::Region}.${AWS::URLSuffix}",
			},
		},
		"AWS::SQS::Queue": {
			name: "QueueName", read: readQueue,
			ref: "https://sqs.${AWS::Region}.${AWS::URLSuffix}/${AWS::AccountId}/${Name}",
			attributes: map[string]string{
				"Arn":       arnPrefix + "sqs" + place + "${Name}",
				"QueueName": "${Name}",
			},
		},
		"AWS::Events::EventBus": {
			name: "Name", read: readBus,
			attributes: map[string]string{"Arn": arnPrefix + "events" + place + "event-bus/${Name}", "Name": "${Name}"},
		},
		"AWS::Events::Rule": {name: "Name", read: readRule},
		"AWS::Events::ApiDestination": {
			name: "Name", read: readDestination,
			attributes: map[string]string{"Arn": arnPrefix + "events" + place + "api-destination/${Name}/" + madeLabel},
		},
		"AWS::Events::Connection": {
			name: "Name", read: readConnection,
			attributes: map[string]string{"Arn": arnPrefix + "events" + place + "connection/${Name}/" + madeLabel},
		},
		"AWS::IAM::Role": {
			name: "RoleName", read: checkRole,
			attributes: map[string]string{"Arn": arnPrefix + "iam::${AWS::AccountId}:role/${Name}"},
		},
		"AWS::CloudFormation::Stack": {
			read: readNested,
			ref:  arnPrefix + "cloudformation" + place + "stack/${Name}/local",
		},
		"AWS::Lambda::EventSourceMapping": {read: readMappingResource},

		"AWS::Logs::LogGroup": {
			name:       "LogGroupName",
			attributes: map[string]string{"Arn": arnPrefix + "logs" + place + "log-group:${Name}:*"},
		},
		"AWS::CloudWatch::Alarm": {
			name:       "AlarmName",
			attributes: map[string]string{"Arn": arnPrefix + "cloudwatch" + place + "alarm:${Name}"},
		},
		"AWS::ApiGatewayV2::DomainName": {
			name: "DomainName",
			attributes: map[string]string{
				"RegionalDomainName":   "d-${Name}.execute-api.${AWS::Region}.${AWS::URLSuffix}",
				"RegionalHostedZoneId": "Z1UJRXOUMOOFQ8",
			},
		},
		"AWS::CloudWatch::Dashboard":    {name: "DashboardName"},
		"AWS::SQS::QueuePolicy":         {},
		"AWS::Logs::MetricFilter":       {},
		"AWS::Logs::QueryDefinition":    {},
		"AWS::ApiGatewayV2::ApiMapping": {},
		"AWS::S3::BucketPolicy":         {},
		"AWS::Lambda::Permission":       {},
	}[name]
	return m, ok
}

// readResources finds the resources, without evaluating anything.
func (s *scope) readResources() error {
	for _, p := range s.root.get("Resources").pairs {
		r := &resource{id: p.key, at: p.at, properties: &node{at: p.at, kind: mapping}}
		if err := s.readResource(r, p.value); err != nil {
			return err
		}
		s.resources[r.id] = r
		s.order = append(s.order, r)
	}
	return nil
}

func (s *scope) readResource(r *resource, n *node) error {
	if err := n.fields(map[string]field{
		"Type": func(n *node) error {
			var ok bool
			if r.model, ok = modelOf(n.text); !ok {
				return n.at.errorf("unknown type of resource %s", n.text)
			}
			return nil
		},
		"Properties":          func(n *node) error { r.properties = n; return n.expect(mapping) },
		"Condition":           func(n *node) error { r.condition = n; return n.expect(scalar) },
		"DependsOn":           texts(&r.dependsOn),
		"Metadata":            known,
		"DeletionPolicy":      oneOf(new(string), "Delete", "Retain", "RetainExceptOnCreate"),
		"UpdateReplacePolicy": oneOf(new(string), "Delete", "Retain"),
	}); err != nil {
		return err
	}
	if err := n.need("Type"); err != nil {
		return err
	}
	if global := s.root.get("Globals").get(r.model.global); global != nil {
		r.properties = merge(global, r.properties)
	}
	return nil
}

// merge lays the properties of a resource over those of Globals: mappings are
// merged, lists are put one after the other, anything else is replaced.
func merge(under, over *node) *node {
	_, _, isCall := call(over)
	_, _, wasCall := call(under)
	if under.kind != over.kind || under.kind == scalar || isCall || wasCall {
		return over
	}
	out := &node{at: over.at, kind: over.kind, items: slices.Concat(under.items, over.items)}
	for _, p := range under.pairs {
		if v := over.get(p.key); v != nil {
			p = pair{p.key, p.at, merge(p.value, v)}
		}
		out.pairs = append(out.pairs, p)
	}
	for _, p := range over.pairs {
		if under.get(p.key) == nil {
			out.pairs = append(out.pairs, p)
		}
	}
	return out
}

// resource returns the one with an id. It is an error if its condition does not
// hold: CloudFormation would not find it.
func (s *scope) resource(at position, id string) (*resource, error) {
	r, ok := s.resources[id]
	if !ok {
		return nil, at.errorf("there is no parameter or resource %q that could be named here", id)
	}
	exists, err := s.exists(r)
	if err == nil && !exists {
		err = at.errorf("%s does not exist, since its condition %s does not hold", id, r.condition.text)
	}
	return r, err
}

func (s *scope) exists(r *resource) (bool, error) {
	if r.condition == nil {
		return true, nil
	}
	return s.condition(r.condition.at, r.condition.text)
}

// nameOf is the name of a resource: its own, or one after the stack's.
func (s *scope) nameOf(r *resource) (string, error) {
	if n := r.properties.get(r.model.name); n != nil && r.model.name != "" {
		v, err := s.evaluate(n)
		if err != nil {
			return "", err
		}
		if v != nil {
			return v.text, v.expect(scalar)
		}
	}
	name := s.pseudo["AWS::StackName"] + "-" + r.id
	if r.model.lower {
		name = strings.ToLower(name)
	}
	return name, nil
}

// refOf is what Ref of a resource gives.
func (s *scope) refOf(r *resource) (string, error) {
	if r.model.ref == "" {
		return s.nameOf(r)
	}
	return s.fill(r, r.at, r.model.ref)
}

// attributeOf is what Fn::GetAtt gives.
func (s *scope) attributeOf(r *resource, at position, attribute string) (string, error) {
	if name, ok := strings.CutPrefix(attribute, "Outputs."); ok {
		return s.outputOf(r, at, name)
	}
	pattern, ok := r.model.attributes[attribute]
	if !ok {
		return "", at.errorf("%s has no attribute %q", r.id, attribute)
	}
	return s.fill(r, at, pattern)
}

// fill is Fn::Sub of a pattern of a model.
func (s *scope) fill(r *resource, at position, pattern string) (string, error) {
	name, err := s.nameOf(r)
	if err != nil {
		return "", err
	}
	own := &node{at: at, kind: mapping, pairs: []pair{{"Name", at, value(at, name)}}}
	return s.word(&node{at: at, kind: mapping, pairs: []pair{
		{"Fn::Sub", at, &node{at: at, kind: list, items: []*node{value(at, pattern), own}}},
	}})
}
