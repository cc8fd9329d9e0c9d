// Package machine manages what owns keys without being a person, and the credentials of programs
// that manage keys: service accounts, subjects with their plans, and management keys.
//
//	service account  a machine member of a tenant, with a role and stewards   serviceaccount.go
//	subject          a customer of the tenant's API, known by an external id  subject.go
//	plan             a named ceiling for the keys of subjects                 plan.go
//	management key   the credential by which a program manages keys           managementkey.go
//
// The status of an owner is a fact that decisions read. Disabling or deleting an owner writes none
// of its keys: a deleted owner keeps its row, and a job revokes its keys in batches.
package machine
