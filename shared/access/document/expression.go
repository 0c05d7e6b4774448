package document

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/berthregistry/berth/shared/access"
)

// ErrUnmet says that the claims are not those that the policy requires of all
// tokens of their issuer.
var ErrUnmet = errors.New("what the policy requires of this issuer's tokens does not hold")

// Bounds of expressions.
const (
	maxExpression = 4 << 10 // bytes
	maxParsing    = 50      // levels of one expression in another
	maxCost       = 50_000  // of an evaluation, in CEL's units: some ten thousand claims looked at
	idLength      = 8       // characters; a token may carry many
)

// environment is what expressions may speak of: claims, and for convenience who
// vouches for them (the issuer's name in the policy, empty for AWS) and the
// subject. It does not change once made, and it takes a millisecond to make.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable("claims", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("issuer", cel.StringType),
		cel.Variable("subject", cel.StringType),
		cel.ParserRecursionLimit(maxParsing),
		cel.ParserExpressionSizeLimit(maxExpression),
	)
})

// compiled checks an expression and gives it an id. Nothing written is no
// expression.
func compiled(root ast.Node, place string, text word) (access.Expression, error) {
	if text == "" {
		return access.Expression{}, nil
	}
	if _, err := program(string(text)); err != nil {
		return access.Expression{}, beneath(find(root, place), err)
	}
	sum := sha256.Sum256([]byte(text))
	return access.Expression{ID: base64.RawURLEncoding.EncodeToString(sum[:])[:idLength], Text: string(text)}, nil
}

// A misspelling is what is wrong with an expression, and where in it.
type misspelling struct {
	line, column int // from 1
	text         string
}

func (m *misspelling) Error() string { return m.text }

// program makes an expression ready to be evaluated.
func program(text string) (cel.Program, error) {
	env, err := environment()
	if err != nil {
		return nil, fmt.Errorf("what expressions may speak of: %w", err)
	}
	compiled, issues := env.Compile(text)
	if errs := issues.Errors(); len(errs) > 0 {
		first := errs[0]
		return nil, &misspelling{max(first.Location.Line(), 1), max(first.Location.Column(), 0) + 1, first.Message}
	}
	if t := compiled.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, &misspelling{1, 1, fmt.Sprintf("the expression is of type %s, and it should be true or false", t)}
	}
	p, err := env.Program(compiled, cel.CostLimit(maxCost))
	if err != nil {
		return nil, fmt.Errorf("plan expression: %w", err)
	}
	return p, nil
}

// beneath says where in the file an expression goes wrong: exactly where it is
// written in one line, and else where it begins.
func beneath(node ast.Node, err error) error {
	var m *misspelling
	if !errors.As(err, &m) {
		return refuse(node, "%v", err)
	}
	at := *node.GetToken()
	if node.Type() != ast.StringType || strings.TrimSpace(at.Origin) != quoted(&at) {
		return refuse(node, "%s (line %d, column %d of the expression)", m.text, m.line, m.column)
	}
	place := *at.Position
	place.Column += m.column - 1 + (len(quoted(&at))-len(at.Value))/2
	at.Position = &place
	return &yaml.SyntaxError{Message: m.text, Token: &at}
}

// quoted is how text looks in a file if it has nothing that quotes escape.
func quoted(t *token.Token) string {
	switch t.Type {
	case token.SingleQuoteType:
		return "'" + t.Value + "'"
	case token.DoubleQuoteType:
		return `"` + t.Value + `"`
	}
	return t.Value
}

// Evaluate returns the principal with the ids of those expressions that hold of
// its claims. It is asked once for a token: for a principal of an issuer or of
// AWS, and others come back as they are.
//
// An expression that cannot be evaluated, since it asks for a claim that is
// missing or costs too much, does not hold; see access.InDoubt. The error is
// ErrUnmet, or says that the policy does not name the issuer.
func Evaluate(p *access.Policy, who access.Principal, claims map[string]any) (access.Principal, error) {
	who.Holds = nil
	if !who.HasClaims() {
		return who, nil
	}
	if sub, ok := claims["sub"].(string); ok && who.Kind == access.Issuer && who.Subject == "" {
		who.Subject = sub // whoever logs in has one; who is only spoken of may be known by it
	}
	about := map[string]any{"claims": claims, "issuer": "", "subject": who.Subject}
	if claims == nil {
		about["claims"] = map[string]any{}
	}
	if who.Kind == access.Issuer {
		about["issuer"] = who.Name
		if err := require(p, who.Name, about); err != nil {
			return who, err
		}
	}
	for _, e := range p.Expressions(who) {
		switch holds, err := holds(e.Text, about); {
		case err != nil:
			who.Holds = append(who.Holds, access.InDoubt+e.ID)
		case holds:
			who.Holds = append(who.Holds, e.ID)
		}
	}
	slices.Sort(who.Holds)
	return who, nil
}

func require(p *access.Policy, name string, about map[string]any) error {
	i := slices.IndexFunc(p.Issuers, func(t access.Trust) bool { return t.Name == name })
	if i < 0 {
		return fmt.Errorf("the policy names no issuer %q", name)
	}
	if p.Issuers[i].RequireText == "" {
		return nil
	}
	switch holds, err := holds(p.Issuers[i].RequireText, about); {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrUnmet, err)
	case !holds:
		return ErrUnmet
	}
	return nil
}

// holds evaluates an expression. An error says that it can't be: its text names
// claims at most, not what is in them.
func holds(text string, about map[string]any) (bool, error) {
	p, err := program(text)
	if err != nil {
		return false, fmt.Errorf("compile expression: %w", err)
	}
	value, _, err := p.Eval(about)
	if err != nil {
		return false, fmt.Errorf("evaluate expression: %w", err)
	}
	b, ok := value.Value().(bool)
	if !ok {
		return false, errors.New("the expression is neither true nor false")
	}
	return b, nil
}
