package berth_test

import (
	"go/parser"
	"go/token"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/berthregistry/berth"

// layer says what the non-test files of one package may import.
type layer struct {
	may   []string // packages of ours; "shared/..." stands for everything below shared
	never []string // foreign packages it must not know, each with all below it
	aws   bool     // may link the AWS SDK, by itself or through what it imports
}

// The star: the vocabulary and the ports in the middle, the rules around them,
// adapters outside. Adapters never see each other. Only what assembles sees
// all. A package that is missing here fails the test: whoever adds one says
// where it stands.
var layers = map[string]layer{
	"shared/oci":   {never: []string{"net/http", "os"}},
	"shared/table": {},
	"shared/blobs": {},
	"shared/registry": {
		may:   []string{"shared/oci", "shared/table", "shared/blobs", "shared/direct"},
		never: []string{"net/http"}, // the same rules run behind a gateway that has no *http.Request
	},

	"shared/direct": {may: []string{"shared/oci"}, never: []string{"net/http", "os"}}, // words that server and clients share

	"shared/table/tabletest": {may: []string{"shared/table"}},
	"shared/table/local":     {may: []string{"shared/table"}},
	"shared/table/dynamo":    {may: []string{"shared/table"}, aws: true},

	"shared/blobs/blobstest": {may: []string{"shared/blobs"}},
	"shared/blobs/local":     {may: []string{"shared/blobs"}},
	"shared/blobs/s3":        {may: []string{"shared/blobs"}, aws: true},
	"shared/blobs/s3/s3test": {may: []string{"shared/blobs/blobstest"}, aws: true}, // what is in a bucket, for tests

	// The decision is linked into every function; what reads policies, and talks
	// to issuers, into the one that makes tokens.
	"shared/pattern":                    {may: []string{"shared/oci"}},
	"shared/access":                     {may: []string{"shared/oci", "shared/pattern", "shared/registry"}, never: []string{"net/http", "cel.dev/cel-go", "github.com/goccy/go-yaml"}},
	"shared/access/document":            {may: []string{"shared/access", "shared/oci", "shared/pattern"}, never: []string{"net/http"}},
	"shared/access/token":               {may: []string{"shared/access"}, never: []string{"net/http", "cel.dev/cel-go"}},
	"shared/access/vault":               {may: []string{"shared/access/token"}, never: []string{"net/http"}},
	"shared/access/vault/ssm":           {may: []string{"shared/access/vault", "shared/access/token"}, aws: true},
	"shared/access/ledger":              {may: []string{"shared/access", "shared/access/token", "shared/table"}, never: []string{"net/http", "cel.dev/cel-go"}},
	"shared/access/login":               {may: []string{"shared/access", "shared/access/ledger"}, never: []string{"cel.dev/cel-go"}},
	"shared/access/federate":            {may: []string{"shared/access", "shared/access/login", "shared/access/document"}},
	"shared/access/federate/presign":    {aws: true}, // the client's half, which berth login has
	"shared/access/federate/issuertest": {},          // an issuer for tests
	"shared/access/door":                {may: []string{"shared/access", "shared/access/ledger", "shared/access/login", "shared/access/token", "shared/oci"}, never: []string{"cel.dev/cel-go"}},
	"shared/access/desk":                {may: []string{"shared/access/...", "shared/oci"}}, // the token endpoint and administration: all of it

	// The client's half. Any registry will do, so it knows none of ours.
	"shared/transfer": {may: []string{"shared/direct", "shared/oci"}},
	"shared/layout":   {may: []string{"shared/oci", "shared/transfer"}, never: []string{"net/http"}},
	"shared/mirror":   {may: []string{"shared/oci", "shared/transfer"}},
	"shared/proxy":    {may: []string{"shared/absent", "shared/chunk", "shared/oci", "shared/transfer"}},

	// What changed becomes an event. Who takes it is outside.
	"shared/announce":         {may: []string{"shared/oci", "shared/registry", "shared/table"}, never: []string{"net/http"}},
	"shared/announce/webhook": {may: []string{"shared/announce", "shared/table"}},

	"shared/absent":       {may: []string{"shared/oci"}}, // for clients of any kind, so it knows little
	"shared/chunk":        {may: []string{"shared/oci"}},
	"shared/distribution": {may: []string{"shared/access", "shared/chunk", "shared/direct", "shared/oci", "shared/registry"}},
	"shared/gateway":      {aws: true}, // for the events of Lambda; it has never heard of a registry
	"shared/probe":        {},          // stands in front of a registry and knows nothing of it
	"shared/follow":       {never: []string{"net/http"}},
	"shared/settings":     {may: []string{"shared/follow", "shared/oci", "shared/pattern", "shared/registry"}, never: []string{"net/http"}},
	"shared/requestlog":   {may: []string{"shared/oci", "shared/distribution"}},
	"shared/telemetry":    {may: []string{"shared/oci", "shared/distribution", "shared/requestlog"}},

	// What makes tokens is apart: the other functions would pay for it at each
	// cold start.
	"shared/wire":        {may: []string{"shared/..."}, never: []string{"cel.dev/cel-go", "github.com/aws/aws-sdk-go-v2/service/ssm"}, aws: true},
	"shared/wire/issuer": {may: []string{"shared/..."}, aws: true},
	"functions/...":      {may: []string{"shared/wire", "shared/gateway"}, aws: true},
	"functions/token":    {may: []string{"shared/wire", "shared/wire/issuer", "shared/gateway"}, aws: true},

	// The only one that sees those below. Its policy is put into the table as
	// berth would.
	"infra/localcloud":          {may: []string{"infra/localcloud/...", "shared/access/document", "shared/access/ledger", "shared/table/dynamo"}, aws: true},
	"infra/localcloud/template": {never: []string{"net/http"}},

	"infra/localcloud/pattern":   {}, // which events are chosen
	"infra/localcloud/stream":    {may: []string{"infra/localcloud/pattern"}, aws: true},
	"infra/localcloud/lambda":    {},
	"infra/localcloud/httpapi":   {},
	"infra/localcloud/iam":       {aws: true},                                 // it signs as AWS does, and verifies
	"infra/localcloud/parameter": {},                                          // SSM's parameter store
	"infra/localcloud/queue":     {},                                          // events of Lambda that nobody waits for
	"infra/localcloud/sqs":       {},                                          // queues of what could not be delivered
	"infra/localcloud/bus":       {may: []string{"infra/localcloud/pattern"}}, // EventBridge, its rules and what they lead to
	"infra/localcloud/sts":       {may: []string{"infra/localcloud/iam"}, aws: true},

	"cmd/...":     {may: []string{"shared/...", "cmd/..."}, aws: true},
	"scripts/...": {may: []string{"shared/...", "scripts/..."}, aws: true},
}

// Names that say nothing about what is inside. Whoever wants one of them has
// not found the noun yet.
var forbiddenNames = []string{"utils", "util", "common", "types", "models", "helpers", "handlers"}

const awsSDK = "github.com/aws/"

func TestLayers(t *testing.T) {
	imports := importsByPackage(t)
	for pkg, imported := range imports {
		rule, ok := ruleFor(pkg)
		if !ok {
			t.Errorf("%s has no entry in the table of layers: say what it may import", pkg)
			continue
		}
		for _, imp := range imported {
			checkImport(t, pkg, rule, imp)
		}
		if !rule.aws && reaches(imports, pkg, map[string]bool{}) {
			t.Errorf("%s links the AWS SDK and must not", pkg)
		}
		if slices.Contains(forbiddenNames, path.Base(pkg)) {
			t.Errorf("%s: a package is named after what it holds, not %q", pkg, path.Base(pkg))
		}
	}
}

// A rule for a package that is gone would hide a misspelt one.
func TestLayersAreAllThere(t *testing.T) {
	imports := importsByPackage(t)
	for name := range layers {
		if strings.HasSuffix(name, "/...") {
			continue
		}
		if _, ok := imports[name]; !ok {
			t.Errorf("the table of layers has %s, the tree has not", name)
		}
	}
}

func checkImport(t *testing.T, pkg string, rule layer, imp string) {
	t.Helper()
	if ours, ok := strings.CutPrefix(imp, module+"/"); ok {
		if !slices.ContainsFunc(rule.may, func(p string) bool { return covers(p, ours) }) {
			t.Errorf("%s imports %s; it may import only %q", pkg, ours, rule.may)
		}
		return
	}
	for _, forbidden := range rule.never {
		if covers(forbidden+"/...", imp) {
			t.Errorf("%s imports %s and must not know it", pkg, imp)
		}
	}
}

// reaches reports whether pkg imports the AWS SDK, or a package of ours that
// does.
func reaches(imports map[string][]string, pkg string, seen map[string]bool) bool {
	if seen[pkg] {
		return false
	}
	seen[pkg] = true
	return slices.ContainsFunc(imports[pkg], func(imp string) bool {
		ours, ok := strings.CutPrefix(imp, module+"/")
		return strings.HasPrefix(imp, awsSDK) || ok && reaches(imports, ours, seen)
	})
}

// ruleFor returns the entry for pkg itself, or else the one for a folder above
// it.
func ruleFor(pkg string) (layer, bool) {
	if rule, ok := layers[pkg]; ok {
		return rule, true
	}
	for dir := path.Dir(pkg); dir != "."; dir = path.Dir(dir) {
		if rule, ok := layers[dir+"/..."]; ok {
			return rule, true
		}
	}
	return layer{}, false
}

// covers reports whether pattern names pkg: exactly, or as "dir/...".
func covers(pattern, pkg string) bool {
	dir, tree := strings.CutSuffix(pattern, "/...")
	return pkg == dir || tree && strings.HasPrefix(pkg, dir+"/")
}

// importsByPackage opens the sources itself. A subprocess `go list` would not
// be seen by the test cache, and a broken rule would go on passing.
func importsByPackage(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string]map[string]bool{}
	for _, file := range goFiles(t) {
		pkg := path.Dir(file)
		if pkg == "." || strings.HasSuffix(file, "_test.go") || inNestedModule(t, file) {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.FromSlash(file), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatalf("parse %s: %v", file, err)
		}
		if found[pkg] == nil {
			found[pkg] = map[string]bool{}
		}
		for _, spec := range parsed.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatalf("import in %s: %v", file, err)
			}
			found[pkg][imp] = true
		}
	}
	imports := map[string][]string{}
	for pkg, set := range found {
		imports[pkg] = slices.Sorted(maps.Keys(set))
	}
	return imports
}
