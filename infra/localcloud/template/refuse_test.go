package template

import (
	"strings"
	"testing"
)

// What is wrong is refused with the line where it is.
func TestMistakes(t *testing.T) {
	for _, tt := range []struct{ text, says string }{
		{"  It: {Value: !Ref Nothing}", `"Nothing"`},
		{"  It: {Value: !GetAtt Nothing.Arn}", `"Nothing"`},
		{"  It: {Value: !GetAtt Bucket.Colour}", `no attribute "Colour"`},
		{"  It: {Value: !GetAtt Bucket.Outputs.X}", "no nested stack"},
		{`  It: {Value: !Sub "${Nothing}"}`, `"Nothing"`},
		{"  It: {Value: !If [Nothing, a, b]}", `no condition "Nothing"`},
		{"  It: {Value: !If [Blue, !Ref Nothing, b]}", `"Nothing"`}, // not taken, and wrong all the same
		{"  It: {Value: !Ref Extra}", "does not exist"},
		{"  It: {Value: !If [Red, a]}", "a list of 3"},
		{"  It: {Value: !Base64 x}", "unknown function Fn::Base64"},
		{"  It: {Value: !ImportValue x}", "unknown function Fn::ImportValue"},
		{"  It: {Value: !Ref [a]}", `names ""`},
		{"  It: {Value: !Ref Words}", "gives no text"},
		{"  It: {Value: !Ref \"AWS::NoValue\"}", "gives no text"},
		{"  It: {Value: !Select [9, !Ref Words]}", "finds nothing"},
		{"  It: {Value: !FindInMap [Sizes, red, large]}", `no "large"`},
		{`  It: {Value: !Split ["", x]}`, "needs something"},
		{`  It: {Value: {"Fn::Sub": x, Other: y}}`, "beside other keys"},
		{"  It: {Value: x, Colour: red}", "unknown property Colour"},
		{"  It: {Description: x}", "Value is missing"},
		{"  It: {Value: ~}", "no null"},
		{"  It: {Value: &here x}", "takes no YAML of this kind"},
		{"  It: {Value: x, Value: y}", "already defined"},
		{"  It: {Value: x, \"Value\": y}", "already defined"},
		{"  It: {Value: !<tag:x> y}", "t.yaml:"},
		{"  It: {Value: !Condition Red}", "gives no text"},
		{"  It: [", "t.yaml:"},
	} {
		_, err := outputs(t, tt.text+"\n", nil)
		if err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "t.yaml") {
			t.Errorf("%s: got error %v, want one with %s and the file", tt.text, err, tt.says)
		}
	}
}

func TestMistakeHasLine(t *testing.T) {
	_, err := load(read(map[string]string{"t.yaml": "Resources:\n  Bucket:\n    Type: AWS::S3::Barrel\n"}), "t.yaml", nil)
	if want := "t.yaml:3:11: unknown type of resource AWS::S3::Barrel"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestMistakesInResources(t *testing.T) {
	const role = `
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "sts:AssumeRole", Principal: {Service: lambda.amazonaws.com}}]}
`
	const function = role + "  F:\n    Type: AWS::Serverless::Function\n    Properties: "
	const rule = "  R: {Type: \"AWS::Events::Rule\", Properties: "
	const sound = "Runtime: provided.al2023, Handler: bootstrap, CodeUri: dist/f, Role: !GetAtt Role.Arn"
	for _, tt := range []struct{ text, says string }{
		{"  B: {}", "Type is missing"},
		{"  B: {Type: \"AWS::S3::Bucket\", Colour: red}", "unknown property Colour"},
		{"  B: {Type: \"AWS::S3::Bucket\", Properties: {Colour: red}}", "unknown property Colour"},
		{"  B: {Type: \"AWS::S3::Bucket\", DependsOn: Nothing}", "depends on Nothing"},
		{"  B: {Type: \"AWS::S3::Bucket\", Condition: Nothing}", `no condition "Nothing"`},
		{"  B: {Type: \"AWS::S3::Bucket\", DeletionPolicy: Forget}", `"Forget" is none of`},
		{"  B: {Type: \"AWS::S3::Bucket\", Properties: {BucketName: !Ref B}}", "wait for each other: B > B"},
		{"  T: {Type: \"AWS::DynamoDB::Table\", Properties: {BillingMode: CHEAP}}", `"CHEAP" is none of`},
		{"  T: {Type: \"AWS::DynamoDB::Table\", Properties: {BillingMode: PAY_PER_REQUEST, AttributeDefinitions: [], KeySchema: [{AttributeName: pk, KeyType: HASH}]}}", "no AttributeDefinition"},
		{"  T: {Type: \"AWS::DynamoDB::Table\", Properties: {BillingMode: PAY_PER_REQUEST, AttributeDefinitions: [{AttributeName: a, AttributeType: S}], KeySchema: []}}", "no key"},
		{function + "{" + sound + ", Layers: []}", "unknown property Layers"},
		{function + "{" + sound + ", MemorySize: 64}", "no number from 128"},
		{function + "{" + sound + ", EventInvokeConfig: {MaximumRetryAttempts: 3}}", "no number from 0 to 2"},
		{function + "{" + sound + ", EventInvokeConfig: {MaximumEventAgeInSeconds: 59}}", "no number from 60 to 21600"},
		{function + "{" + sound + ", EventInvokeConfig: {DestinationConfig: {}}}", "unknown property DestinationConfig"},
		{function + "{" + sound + ", Environment: {Variables: {AWS_REGION: x}}}", "set by Lambda itself"},
		{function + "{" + sound + ", Environment: {Variables: {X: " + strings.Repeat("y", 4096) + "}}}", "Lambda takes 4096"},
		{function + "{" + sound + ", Events: {E: {Type: Schedule}}}", `"Schedule" is none of`},
		{function + "{" + sound + ", Events: {E: {Type: HttpApi, Properties: {ApiId: other}}}}", "no HTTP API"},
		{function + "{" + strings.Replace(sound, "!GetAtt Role.Arn", "elsewhere", 1) + "}", "no role of this template"},
		{strings.Replace(function, "lambda.amazonaws.com", "events.amazonaws.com", 1) + "{" + sound + "}", "lambda.amazonaws.com may not take on the role Role"},
		{"  B: {Type: \"AWS::Events::EventBus\", Properties: {}}", "Name is missing"},
		{rule + "{}}", "EventPattern is missing"},
		{rule + "{EventPattern: [a]}}", "a mapping is expected"},
		{rule + "{EventPattern: {a: [{exists: True}]}}}", "not written as JSON has it"},
		{rule + "{EventPattern: {a: [b]}, ScheduleExpression: rate(1 day)}}", "unknown property ScheduleExpression"},
		{rule + "{EventPattern: {a: [b]}, Targets: [{Id: x}]}}", "Arn is missing"},
		{rule + "{EventPattern: {a: [b]}, Targets: [{Id: x, Arn: y, InputPath: \"$.a[0]\"}]}}", "no path of members"},
		{rule + "{EventPattern: {a: [b]}, Targets: [{Id: x, Arn: y, RoleArn: z}]}}", "no role of this template"},
		{rule + "{EventPattern: {a: [b]}, Targets: [{Id: x, Arn: y, InputTransformer: {}}]}}", "unknown property InputTransformer"},
		{"  C: {Type: \"AWS::Events::Connection\", Properties: {AuthorizationType: OAUTH_CLIENT_CREDENTIALS}}", `is none of ["API_KEY"]`},
		{"  C: {Type: \"AWS::Events::Connection\", Properties: {AuthorizationType: API_KEY, AuthParameters: {ApiKeyAuthParameters: {ApiKeyName: a}}}}", "ApiKeyValue is missing"},
		{"  D: {Type: \"AWS::Events::ApiDestination\", Properties: {ConnectionArn: a, HttpMethod: POST}}", "InvocationEndpoint is missing"},
		{strings.Replace(role, "lambda.amazonaws.com", "ec2.amazonaws.com", 1), "may take on this role"},
		{strings.TrimRight(role, "\n") + "\n      Policies: [{PolicyName: p, PolicyDocument: {Version: \"2012-10-17\", Statement: {Effect: Allow, NotAction: x, Resource: \"*\"}}}]", "unknown property NotAction"},
		{strings.TrimRight(role, "\n") + "\n      Policies: [{PolicyName: p, PolicyDocument: {Version: \"2012-10-17\", Statement: {Effect: Allow, Action: x, Resource: \"*\", Condition: {Bool: {\"aws:SecureTransport\": true}}}}}]", "unknown property Bool"},
		{strings.TrimRight(role, "\n") + "\n      Policies: [{PolicyName: p, PolicyDocument: {Version: \"2012-10-17\", Statement: {Effect: Allow, Action: x, Resource: \"*\", Condition: {}}}}]", "a condition is on"},
		{strings.TrimRight(role, "\n") + "\n      ManagedPolicyArns: [x]", "unknown property ManagedPolicyArns"},
	} {
		_, err := load(read(map[string]string{"t.yaml": "Resources:\n" + tt.text + "\n"}), "t.yaml", nil)
		if err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "t.yaml:") {
			t.Errorf("%s: got error %v, want one with %s and the line", tt.text, err, tt.says)
		}
	}
}

// An API routes to its functions, so that none can be told its address: a cycle
// that AWS finds too late.
func TestCycleThroughEvents(t *testing.T) {
	const text = `
Resources:
  Api: {Type: "AWS::Serverless::HttpApi"}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "sts:AssumeRole", Principal: {Service: lambda.amazonaws.com}}]}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: provided.al2023
      Handler: bootstrap
      CodeUri: dist/f
      Role: !GetAtt Role.Arn
      Events: {Any: {Type: HttpApi, Properties: {ApiId: !Ref Api}}}
`
	if _, err := load(read(map[string]string{"t.yaml": text}), "t.yaml", nil); err != nil {
		t.Fatal(err)
	}
	const told = text + "      Environment: {Variables: {URL: !Ref Api}}\n"
	_, err := load(read(map[string]string{"t.yaml": told}), "t.yaml", nil)
	if err == nil || !strings.Contains(err.Error(), "Api > F > Api") {
		t.Errorf("got %v, want the cycle", err)
	}
}

func TestParameters(t *testing.T) {
	const text = `
Parameters:
  Name: {Type: String, Default: abc, AllowedPattern: "[a-z]+", MinLength: 2, MaxLength: 4, ConstraintDescription: letters}
  Size: {Type: Number, Default: 3, MinValue: 1, MaxValue: 9}
  Word: {Type: String, Default: a, AllowedValues: [a, b]}
  Sizes: {Type: List<Number>, Default: "1,2"}
Resources: {}
Outputs: {All: {Value: !Sub "${Name} ${Size} ${Word}"}}
`
	for _, tt := range []struct{ name, value, says string }{
		{"Name", "xyz", ""}, {"Name", "x", "too short"}, {"Name", "abcde", "too long"}, {"Name", "ab1", "letters"},
		{"Size", "9", ""}, {"Size", "10", "out of range"}, {"Size", "many", "no number"},
		{"Word", "b", ""}, {"Word", "c", "not one of a, b"},
		{"Sizes", "4, 5", ""}, {"Sizes", "4,x", "no number"},
		{"Other", "x", "no parameter Other"},
	} {
		_, err := load(read(map[string]string{"t.yaml": text}), "t.yaml", map[string]string{tt.name: tt.value})
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s=%s: got error %v, want %q", tt.name, tt.value, err, tt.says)
		}
	}
	_, err := load(read(map[string]string{"t.yaml": strings.Replace(text, "Default: abc, ", "", 1)}), "t.yaml", nil)
	if err == nil || !strings.Contains(err.Error(), "no default") {
		t.Errorf("without a default got %v", err)
	}
}
