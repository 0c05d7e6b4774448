package access

// A Policy is all rules in force. It is made by package document from what
// people write, and kept in the table as JSON. Whoever makes one by hand calls
// Compile; then it is not changed any more. Nothing is allowed but by a rule,
// so the zero Policy, and a nil one, allow nothing.
type Policy struct {
	// Audiences are what tokens of issuers and signed requests must be meant
	// for: the registry's host, as a rule.
	Audiences []string `json:"audiences,omitempty"`
	Issuers   []Trust  `json:"issuers,omitempty"`
	// Accounts are the numbers of the AWS accounts whose principals are known.
	Accounts []string `json:"accounts,omitempty"`
	Groups   []Group  `json:"groups,omitempty"`
	Rules    []Rule   `json:"rules"`

	compiled compiled
}

// A Trust is an OpenID Connect issuer whose tokens are taken.
type Trust struct {
	// Name is what principals and rules call it.
	Name string `json:"name"`
	// URL is the iss claim, and where its keys are found (OpenID Connect
	// Discovery 1.0, section 4).
	URL string `json:"url"`
	// Audiences take the place of the policy's for this issuer.
	Audiences []string `json:"audiences,omitempty"`
	// Require is the id of the expression that must hold of the claims of any
	// token of this issuer; "" for none.
	Require string `json:"require,omitempty"`
	// RequireText is the expression itself.
	RequireText string `json:"requireText,omitempty"`
}

// A Group is a set of principals under one name.
type Group struct {
	Name    string `json:"name"`
	Members Whom   `json:"members"`
}

// Whom says which principals are meant: those that an entry of Names fits and,
// where there is an expression, of whose claims it holds.
type Whom struct {
	// Names are "anyone", "anonymous", "authenticated", "user:NAME",
	// "robot:NAME", "issuer:NAME" (all principals of a Trust), "aws:ACCOUNT",
	// "aws:ARN" and, in rules only, "group:NAME". NAME of users and robots and
	// the ARN may have stars (pattern.Principal). A group has neither "anyone"
	// nor "anonymous".
	Names []string `json:"names"`
	// When is the id of an expression, WhenText the expression itself.
	When     string `json:"when,omitempty"`
	WhenText string `json:"whenText,omitempty"`
}

// A Rule allows principals actions, or denies them.
type Rule struct {
	// Name is what logs and explanations call it. No two rules share one.
	Name string `json:"name"`
	Deny bool   `json:"deny,omitempty"`
	Whom Whom   `json:"whom"`
	// Repositories are patterns of names (package pattern). Empty only where
	// the only action is Admin.
	Repositories []string `json:"repositories,omitempty"`
	// Tags are patterns of tags; empty means the whole repository.
	Tags    []string `json:"tags,omitempty"`
	Actions []Action `json:"actions"`
}
