package table

// Attrs are an item's attributes. Names are unique and not empty; their order
// means nothing. Items hold few attributes, so a slice beats a map.
type Attrs []Attr

// An Attr is a name and a value of one of DynamoDB's scalar kinds. Make one
// with S, N or B.
type Attr struct {
	Name string
	Kind Kind

	str string
	num int64
	bin []byte
}

// A Kind is the type of an attribute's value, by DynamoDB's letter.
type Kind byte

// The kinds of attributes.
const (
	KindS Kind = 'S' // string
	KindN Kind = 'N' // integer
	KindB Kind = 'B' // bytes
)

// S is an attribute that holds a string.
func S(name, value string) Attr { return Attr{Name: name, Kind: KindS, str: value} }

// N is an attribute that holds a number.
func N(name string, value int64) Attr { return Attr{Name: name, Kind: KindN, num: value} }

// B is an attribute that holds bytes, which must not change afterwards.
func B(name string, value []byte) Attr { return Attr{Name: name, Kind: KindB, bin: value} }

// Str returns the value of a string attribute, and "" of any other.
func (a Attr) Str() string { return a.str }

// Num returns the value of a number attribute, and 0 of any other.
func (a Attr) Num() int64 { return a.num }

// Bin returns the value of a bytes attribute, and nil of any other. The caller
// must not change it.
func (a Attr) Bin() []byte { return a.bin }

// Equal says whether two attributes have the same name, kind and value.
func (a Attr) Equal(b Attr) bool {
	return a.Name == b.Name && a.Kind == b.Kind && a.str == b.str && a.num == b.num && string(a.bin) == string(b.bin)
}

// Lookup returns the named attribute and whether there is one.
func (as Attrs) Lookup(name string) (Attr, bool) {
	for i := range as {
		if as[i].Name == name {
			return as[i], true
		}
	}
	return Attr{}, false
}

// Has says whether there is an attribute of that name.
func (as Attrs) Has(name string) bool {
	_, ok := as.Lookup(name)
	return ok
}

// Str returns the named string, or "" if there is none.
func (as Attrs) Str(name string) string {
	a, _ := as.Lookup(name)
	return a.str
}

// Num returns the named number, or 0 if there is none.
func (as Attrs) Num(name string) int64 {
	a, _ := as.Lookup(name)
	return a.num
}

// Bin returns the named bytes, or nil if there are none. The caller must not
// change them.
func (as Attrs) Bin(name string) []byte {
	a, _ := as.Lookup(name)
	return a.bin
}

// With returns the attributes with a put in, in place of one of the same name.
// The receiver is left as it was.
func (as Attrs) With(a Attr) Attrs {
	out := make(Attrs, 0, len(as)+1)
	out = append(out, as...)
	for i := range out {
		if out[i].Name == a.Name {
			out[i] = a
			return out
		}
	}
	return append(out, a)
}

// Without returns the attributes but the named one. The receiver is left as it
// was.
func (as Attrs) Without(name string) Attrs {
	out := make(Attrs, 0, len(as))
	for _, a := range as {
		if a.Name != name {
			out = append(out, a)
		}
	}
	return out
}
