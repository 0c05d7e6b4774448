package httpapi

import (
	"encoding/base64"
	"encoding/hex"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// clf is how events and logs write the time.
const clf = "02/Jan/2006:15:04:05 -0700"

// event returns the request as an event of payload format 2.0. It is put
// together by hand, so that a body of megabytes is encoded once and straight
// into its place.
func (g *gateway) event(w http.ResponseWriter, r *http.Request, x *exchange, t target, variables []variable) ([]byte, error) {
	body, err := g.gather(w, r)
	if err != nil {
		return nil, err
	}
	defer g.bodies.Put(body)
	if body.Len() > maxEvent { // not even as text would it fit
		return nil, errEventTooLarge
	}
	x.path = g.dev.StagePrefix + t.path
	text := g.arrivesAsText(r, body.Bytes())
	// The path is told up to three times. To grow would copy the body.
	dst := make([]byte, 0, headerSize(r)*4+1024+int64(base64.StdEncoding.EncodedLen(body.Len())))
	dst = append(dst, '{')
	dst = appendField(dst, "version", "2.0")
	dst = appendField(dst, "routeKey", x.routeKey)
	dst = appendField(dst, "rawPath", x.path)
	dst = appendField(dst, "rawQueryString", t.query)
	dst = appendCookies(dst, r.Header["Cookie"])
	dst = appendHeaders(dst, r, x, body.Len())
	dst = appendQuery(dst, t.query)
	dst = g.appendContext(dst, x)
	dst = appendVariables(dst, variables)
	if body.Len() > 0 {
		dst = appendBody(dst, body.Bytes(), text)
	}
	dst = strconv.AppendBool(appendName(dst, "isBase64Encoded"), body.Len() > 0 && !text)
	dst = append(dst, '}')
	if len(dst) > maxEvent {
		return nil, errEventTooLarge
	}
	return dst, nil
}

func appendBody(dst, body []byte, text bool) []byte {
	dst = appendName(dst, "body")
	if text {
		return appendString(dst, string(body))
	}
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, body)
	return append(dst, '"')
}

// appendCookies adds each cookie by itself, whichever header it came in.
func appendCookies(dst []byte, headers []string) []byte {
	var cookies []string
	for _, header := range headers {
		for cookie := range strings.SplitSeq(header, ";") {
			if cookie = strings.TrimSpace(cookie); cookie != "" {
				cookies = append(cookies, cookie)
			}
		}
	}
	if cookies == nil {
		return dst
	}
	dst = append(appendName(dst, "cookies"), '[')
	for i, cookie := range cookies {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, cookie)
	}
	return append(dst, ']')
}

// appendHeaders adds what the client sent, save what the gateway drops, and
// what the gateway itself says.
func appendHeaders(dst []byte, r *http.Request, x *exchange, length int) []byte {
	dst = append(appendName(dst, "headers"), '{')
	for name, values := range r.Header {
		switch name {
		case "Connection", "Expect", "Proxy-Authenticate", "Te", "Transfer-Encoding": // dropped
		case "Cookie": // in a field of its own
		case "Content-Length", "Host", "X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto":
		default:
			dst = appendField(dst, strings.ToLower(name), strings.Join(values, ","))
		}
	}
	proto, port := origin(r)
	dst = appendField(dst, "content-length", strconv.Itoa(length))
	dst = appendField(dst, "host", r.Host)
	dst = appendField(dst, "x-amzn-trace-id", newTraceID(x.start))
	dst = appendField(dst, "x-forwarded-for", strings.Join(append(r.Header["X-Forwarded-For"], x.sourceIP), ", "))
	dst = appendField(dst, "x-forwarded-port", port)
	dst = appendField(dst, "x-forwarded-proto", proto)
	return append(dst, '}')
}

// origin returns how the client reached the gateway.
func origin(r *http.Request) (proto, port string) {
	proto, port = "http", "80"
	if r.TLS != nil {
		proto, port = "https", "443"
	}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		if _, p, err := net.SplitHostPort(local.String()); err == nil {
			port = p
		}
	}
	return proto, port
}

func newTraceID(at time.Time) string {
	var raw [12]byte
	fill(raw[:])
	return "Root=1-" + strconv.FormatInt(at.Unix(), 16) + "-" + hex.EncodeToString(raw[:])
}

// appendQuery adds the parameters of the query, decoded. The values of one that
// comes more than once are joined, and can't be told from one with a comma.
func appendQuery(dst []byte, query string) []byte {
	if query == "" {
		return dst
	}
	var names []string
	values := map[string]string{}
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, value = unescape(name), unescape(value)
		if earlier, ok := values[name]; ok {
			value = earlier + "," + value
		} else {
			names = append(names, name)
		}
		values[name] = value
	}
	dst = append(appendName(dst, "queryStringParameters"), '{')
	for _, name := range names {
		dst = appendField(dst, name, values[name])
	}
	return append(dst, '}')
}

// unescape returns s as it is if it can't be decoded.
func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

func (g *gateway) appendContext(dst []byte, x *exchange) []byte {
	dst = append(appendName(dst, "requestContext"), '{')
	dst = appendField(dst, "accountId", g.cfg.AccountID)
	dst = appendField(dst, "apiId", g.cfg.APIID)
	dst = appendField(dst, "domainName", x.domainName)
	dst = appendField(dst, "domainPrefix", x.domainPrefix)
	dst = append(appendName(dst, "http"), '{')
	dst = appendField(dst, "method", x.method)
	dst = appendField(dst, "path", x.path)
	dst = appendField(dst, "protocol", x.protocol)
	dst = appendField(dst, "sourceIp", x.sourceIP)
	dst = appendField(dst, "userAgent", x.userAgent)
	dst = append(dst, '}')
	dst = appendField(dst, "requestId", x.id)
	dst = appendField(dst, "routeKey", x.routeKey)
	dst = appendField(dst, "stage", "$default")
	dst = appendField(dst, "time", x.start.UTC().Format(clf))
	dst = strconv.AppendInt(appendName(dst, "timeEpoch"), x.start.UnixMilli(), 10)
	return append(dst, '}')
}

func appendVariables(dst []byte, variables []variable) []byte {
	if len(variables) == 0 {
		return dst
	}
	dst = append(appendName(dst, "pathParameters"), '{')
	for _, v := range variables {
		dst = appendField(dst, v.name, v.value)
	}
	return append(dst, '}')
}
