package login

import (
	"strings"
	"testing"
)

// The hashes are those of the reference implementations.
const (
	ofUU       = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"                           // U*U
	ofPassword = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc" // password
)

func TestHashes(t *testing.T) {
	for text, password := range map[string]string{
		ofUU: "U*U", strings.Replace(ofUU, "2a", "2b", 1): "U*U", strings.Replace(ofUU, "2a", "2y", 1): "U*U",
		ofPassword: "password",
	} {
		h, err := parseHash(text)
		if err != nil {
			t.Fatal(err)
		}
		if !h.matches(password) || h.matches(password+"x") || h.matches("") {
			t.Errorf("%s: %q alone must match", text, password)
		}
	}
}

func TestHashesThatAreNotTaken(t *testing.T) {
	argon := func(old, with string) string { return strings.Replace(ofPassword, old, with, 1) }
	for name, text := range map[string]string{
		"none":               "",
		"plain":              "secret",
		"crypt":              "rqXexS6ZhobKA",
		"SHA-1":              "{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE=",
		"MD5 of Apache":      "$apr1$qHDFfhPC$nITSVHgYbDAK1Y0acGRnY0",
		"SHA-512":            "$6$saltsalt$abc",
		"argon2i":            argon("argon2id", "argon2i"),
		"bcrypt 2x":          strings.Replace(ofUU, "2a", "2x", 1),
		"short bcrypt":       ofUU[:59],
		"long bcrypt":        ofUU + "x",
		"bcrypt, odd digit":  strings.Replace(ofUU, "CCC.", "CC?.", 1),
		"bcrypt that lasts":  strings.Replace(ofUU, "$05$", "$15$", 1),
		"bcrypt, no cost":    strings.Replace(ofUU, "$05$", "$xx$", 1),
		"argon, no version":  argon("v=19$", ""),
		"argon, version 16":  argon("v=19", "v=16"),
		"argon, order":       argon("m=65536,t=2", "t=2,m=65536"),
		"argon, more":        argon("p=1", "p=1,x=2"),
		"argon, zeros":       argon("t=2", "t=02"),
		"argon, much memory": argon("m=65536", "m=4194304"),
		"argon, no memory":   argon("m=65536", "m=7"),
		"argon, long":        argon("t=2", "t=17"),
		"argon, no time":     argon("t=2", "t=0"),
		"argon, no threads":  argon("p=1", "p=0"),
		"argon, threads":     argon("p=1", "p=300"),
		"argon, short salt":  argon("c29tZXNhbHQ", "c29t"),
		"argon, padded salt": argon("c29tZXNhbHQ", "c29tZXNhbHQ="),
		"argon, no key":      argon("CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", ""),
	} {
		h, err := parseHash(text)
		if err == nil {
			t.Errorf("%s: taken as %v", name, h)
		} else if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error has the hash in it: %v", name, err)
		}
	}
}

func TestFileOfUsers(t *testing.T) {
	es, err := parse("users", []byte("# comment\n\nalice:"+ofUU+"\r\n  bob@example.com:"+ofPassword+"  \n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(es.names) != 2 || es.names[0] != "alice" || es.names[1] != "bob@example.com" || es.byName["alice"].text != ofUU {
		t.Errorf("got %v, want alice and bob@example.com", es.names)
	}
}

func TestFilesThatAreNotTaken(t *testing.T) {
	for text, where := range map[string]string{
		"alice":                                 "users:1: a user is a name and a hash",
		"\n\nalice:x":                           "users:3: the hash is neither",
		":" + ofUU:                              "users:1: a user's name",
		"a b:" + ofUU:                           "users:1: a user's name",
		"a*:" + ofUU:                            "users:1: a user's name",
		"a\x00:" + ofUU:                         "users:1: a user's name",
		"a\xff:" + ofUU:                         "users:1: a user's name",
		strings.Repeat("a", 257) + ":" + ofUU:   "users:1: a user's name",
		"oidc:" + ofUU:                          "users:1: the name is not free",
		"aws:" + ofUU:                           "users:1: the name is not free",
		"robot-aaaaaaaaaaaaaaaa:" + ofUU:        "users:1: the name is not free",
		"alice:" + ofUU + "\nalice:" + ofUU:     "users:2: the user is there already",
		"alice:" + ofUU + ":comment:of:another": "users:1: this is no hash of bcrypt",
	} {
		if _, err := parse("users", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), where) {
			t.Errorf("%q: got %v, want %s", text, err, where)
		}
	}
}

// Whatever the file holds, it is refused or has users that can be told apart,
// and an error has no hash in it.
func FuzzFile(f *testing.F) {
	f.Add("alice:" + ofUU + "\nbob:" + ofPassword)
	f.Add("# x\n\na:$argon2id$v=19$m=8,t=1,p=1$$")
	f.Add("a:$2y$31$")
	f.Fuzz(func(t *testing.T, text string) {
		es, err := parse("users", []byte(text))
		if err != nil {
			if len(err.Error()) > 300 {
				t.Errorf("the error is long enough to hold a hash: %v", err)
			}
			return
		}
		if len(es.names) != len(es.byName) {
			t.Errorf("%d names of %d users", len(es.names), len(es.byName))
		}
		for name, e := range es.byName {
			if e.name != name || e.hash == nil || reserved(name) || strings.ContainsAny(name, ":* \n") {
				t.Errorf("user %q: %+v", name, e)
			}
		}
	})
}
