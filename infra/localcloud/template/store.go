package template

import "time"

// streamLabel stands for the time at which a stream was made, which ends its
// ARN. An engine gives it another; what goes before says the table.
const streamLabel = "2012-10-17T00:00:00.000"

// readTable reads an AWS::DynamoDB::Table.
func readTable(s *scope, r *resource, n *node, out *Stack) error {
	t := Table{ID: r.id}
	types := map[string]string{}
	ttl := false
	if err := n.fields(map[string]field{
		"TableName":   known,
		"BillingMode": oneOf(new(string), "PAY_PER_REQUEST"), // the other has no place on one machine
		"AttributeDefinitions": each(func(n *node) error {
			return readAttribute(n, types)
		}),
		"KeySchema": each(func(n *node) error {
			var k Key
			err := n.fields(map[string]field{"AttributeName": text(&k.Name), "KeyType": oneOf(&k.Role, "HASH", "RANGE")})
			t.Keys = append(t.Keys, k)
			return err
		}),
		"StreamSpecification": inside(map[string]field{
			"StreamViewType": oneOf(&t.Stream, "NEW_AND_OLD_IMAGES", "NEW_IMAGE", "OLD_IMAGE", "KEYS_ONLY"),
		}),
		"TimeToLiveSpecification": inside(map[string]field{
			"AttributeName": text(&t.TTL),
			"Enabled":       boolean(&ttl),
		}),
		"PointInTimeRecoverySpecification": known,
		"DeletionProtectionEnabled":        boolean(new(bool)),
		"SSESpecification":                 known,
		"ContributorInsightsSpecification": known,
		"TableClass":                       oneOf(new(string), "STANDARD", "STANDARD_INFREQUENT_ACCESS"),
		"Tags":                             known,
	}); err != nil {
		return err
	}
	if err := n.need("KeySchema", "AttributeDefinitions", "BillingMode"); err != nil {
		return err
	}
	if !ttl {
		t.TTL = ""
	}
	return s.finishTable(r, t, types, out)
}

func readAttribute(n *node, types map[string]string) error {
	var name, kind string
	if err := n.fields(map[string]field{
		"AttributeName": text(&name),
		"AttributeType": oneOf(&kind, "S", "N", "B"),
	}); err != nil {
		return err
	}
	types[name] = kind
	return nil
}

// finishTable gives the keys their types. An attribute without a key is refused
// by DynamoDB, and so here.
func (s *scope) finishTable(r *resource, t Table, types map[string]string, out *Stack) error {
	for i := range t.Keys {
		t.Keys[i].Type = types[t.Keys[i].Name]
		if t.Keys[i].Type == "" {
			return r.at.errorf("the key %q of %s has no AttributeDefinition", t.Keys[i].Name, r.id)
		}
	}
	if len(types) != len(t.Keys) {
		return r.at.errorf("%s defines attributes that are no key", r.id)
	}
	var err error
	if t.Name, err = s.nameOf(r); err != nil {
		return err
	}
	if t.ARN, err = s.attributeOf(r, r.at, "Arn"); err != nil {
		return err
	}
	if t.StreamARN, err = s.attributeOf(r, r.at, "StreamArn"); err != nil {
		return err
	}
	out.Tables = append(out.Tables, t)
	return nil
}

// readBucket reads an AWS::S3::Bucket.
func readBucket(s *scope, r *resource, n *node, out *Stack) error {
	if err := n.fields(map[string]field{
		"BucketName":                       known,
		"BucketEncryption":                 known,
		"PublicAccessBlockConfiguration":   known,
		"OwnershipControls":                known,
		"LifecycleConfiguration":           known,
		"IntelligentTieringConfigurations": known,
		"AbacStatus":                       known,
		"VersioningConfiguration":          known,
		"Tags":                             known,
	}); err != nil {
		return err
	}
	name, err := s.nameOf(r)
	out.Buckets = append(out.Buckets, Bucket{r.id, name})
	return err
}

// readQueue reads an AWS::SQS::Queue.
func readQueue(s *scope, r *resource, n *node, out *Stack) error {
	visibility := 30
	if err := n.fields(map[string]field{
		"QueueName":              known,
		"MessageRetentionPeriod": number(new(int), 60, 1209600),
		"VisibilityTimeout":      number(&visibility, 0, 43200),
		"SqsManagedSseEnabled":   boolean(new(bool)),
		"KmsMasterKeyId":         text(new(string)),
		"Tags":                   known,
	}); err != nil {
		return err
	}
	q := Queue{ID: r.id, Visibility: time.Duration(visibility) * time.Second}
	var err error
	if q.Name, err = s.nameOf(r); err != nil {
		return err
	}
	if q.URL, err = s.refOf(r); err != nil {
		return err
	}
	q.ARN, err = s.attributeOf(r, r.at, "Arn")
	out.Queues = append(out.Queues, q)
	return err
}
