package httpapi

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// DefaultLogFormat is written if no other is given.
const DefaultLogFormat = `{"requestId":"$context.requestId","ip":"$context.identity.sourceIp",` +
	`"requestTime":"$context.requestTime","httpMethod":"$context.httpMethod","path":"$context.path",` +
	`"routeKey":"$context.routeKey","status":"$context.status","responseLength":"$context.responseLength",` +
	`"responseLatency":"$context.responseLatency","integrationError":"$context.integrationErrorMessage"}`

// A logFormat is a line of the access log in pieces: text and, after it, a
// variable. The last piece has none.
type logFormat []logPiece

type logPiece struct {
	text  string
	value func(*gateway, *exchange) string
}

var variableName = regexp.MustCompile(`\$context(\.[A-Za-z0-9]+)+`)

// parseLogFormat refuses variables that the HTTP API does not have: they are
// spelling mistakes.
func parseLogFormat(format string) (logFormat, error) {
	format = cmp.Or(format, DefaultLogFormat)
	var f logFormat
	end := 0
	for _, at := range variableName.FindAllStringIndex(format, -1) {
		name := format[at[0]+len("$context.") : at[1]]
		value := logVariable(name)
		if value == nil {
			return nil, fmt.Errorf("access log: $context.%s is no variable of an HTTP API", name)
		}
		f = append(f, logPiece{format[end:at[0]], value})
		end = at[1]
	}
	return append(f, logPiece{text: format[end:]}), nil
}

// logVariable returns what renders a variable, or nil if there is none of that
// name.
func logVariable(name string) func(*gateway, *exchange) string {
	if value, ok := logVariables[name]; ok {
		return value
	}
	for _, unused := range []string{"authorizer.", "identity.", "customDomain."} {
		if strings.HasPrefix(name, unused) {
			return logNothing
		}
	}
	return nil
}

// writeLog adds a line to the access log. Values are escaped for JSON, and one
// that there is none of is a dash.
func (g *gateway) writeLog(x *exchange) {
	if g.cfg.Log == nil {
		return
	}
	var line []byte
	for _, piece := range g.line {
		line = append(line, piece.text...)
		if piece.value == nil {
			continue
		}
		quoted := appendString(nil, cmp.Or(piece.value(g, x), "-"))
		line = append(line, quoted[1:len(quoted)-1]...)
	}
	g.log.Lock()
	defer g.log.Unlock()
	_, _ = g.cfg.Log.Write(append(line, '\n')) // a gateway goes on without its log
}

// logVariables are those of HTTP APIs with Lambda behind them. Several have two
// names.
var logVariables = map[string]func(*gateway, *exchange) string{
	"accountId":             func(g *gateway, _ *exchange) string { return g.cfg.AccountID },
	"apiId":                 func(g *gateway, _ *exchange) string { return g.cfg.APIID },
	"dataProcessed":         func(_ *gateway, x *exchange) string { return strconv.Itoa(x.length) },
	"domainName":            func(_ *gateway, x *exchange) string { return x.domainName },
	"domainPrefix":          func(_ *gateway, x *exchange) string { return x.domainPrefix },
	"error.message":         func(_ *gateway, x *exchange) string { return x.errorMessage },
	"error.messageString":   logErrorString,
	"extendedRequestId":     func(_ *gateway, x *exchange) string { return x.id },
	"httpMethod":            func(_ *gateway, x *exchange) string { return x.method },
	"identity.sourceIp":     func(_ *gateway, x *exchange) string { return x.sourceIP },
	"identity.userAgent":    func(_ *gateway, x *exchange) string { return x.userAgent },
	"integration.status":    func(_ *gateway, x *exchange) string { return logStatus(x.functionStatus) },
	"path":                  func(_ *gateway, x *exchange) string { return x.path },
	"protocol":              func(_ *gateway, x *exchange) string { return x.protocol },
	"requestId":             func(_ *gateway, x *exchange) string { return x.id },
	"requestTime":           func(_ *gateway, x *exchange) string { return x.start.UTC().Format(clf) },
	"requestTimeEpoch":      func(_ *gateway, x *exchange) string { return strconv.FormatInt(x.start.UnixMilli(), 10) },
	"responseLatency":       func(_ *gateway, x *exchange) string { return logMillis(time.Since(x.start)) },
	"responseLength":        func(_ *gateway, x *exchange) string { return strconv.Itoa(x.length) },
	"routeKey":              func(_ *gateway, x *exchange) string { return x.routeKey },
	"stage":                 func(_ *gateway, _ *exchange) string { return "$default" },
	"status":                func(_ *gateway, x *exchange) string { return logStatus(x.status) },
	"awsEndpointRequestId":  logNothing,
	"integration.requestId": logNothing,
	"error.responseType":    logNothing,

	"integration.error":             logIntegrationError,
	"integrationErrorMessage":       logIntegrationError,
	"integration.integrationStatus": logIntegrationStatus,
	"integrationStatus":             logIntegrationStatus,
	"integration.latency":           logIntegrationLatency,
	"integrationLatency":            logIntegrationLatency,
}

func logNothing(*gateway, *exchange) string { return "" }

func logErrorString(_ *gateway, x *exchange) string {
	if x.errorMessage == "" {
		return ""
	}
	return strconv.Quote(x.errorMessage)
}

func logIntegrationError(_ *gateway, x *exchange) string  { return x.integrationError }
func logIntegrationStatus(_ *gateway, x *exchange) string { return logStatus(x.integrationStatus) }

func logIntegrationLatency(_ *gateway, x *exchange) string {
	if x.integrationStatus == 0 && x.integrationError == "" {
		return ""
	}
	return logMillis(x.integrationLatency)
}

func logStatus(status int) string {
	if status == 0 {
		return ""
	}
	return strconv.Itoa(status)
}

func logMillis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
