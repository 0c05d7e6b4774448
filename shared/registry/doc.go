// Package registry holds the rules of Berth: what push, pull, tag, attach,
// mount and delete mean, over a table and a blob store. It knows neither HTTP
// nor AWS, so the same rules run in `berth serve` and behind API Gateway.
//
// A Registry does what it is asked. For returns it as it is to somebody with some
// rights: every rule about who may do and see what is in here as well, and
// nowhere else.
//
// The order of writes is part of the rules: bytes first, then, in one
// transaction, the items that make them visible. Beside each step the code says
// what a crash right there leaves. Transactions that may have happened are sent
// again under the same token; whatever lost a race reads again and decides
// anew.
package registry
