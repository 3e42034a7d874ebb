package milvus

import (
	"slices"
	"strings"
)

// What there is to grant, as the server's own tables have it: privileges by the
// type of object that they are on, and groups of them. These are the tables of
// 2.6.16 and later; before, the configuration that the server ships with put
// shorter lists in the place of its groups.

// The types of objects.
const (
	global     = "Global"
	collection = "Collection"
	userObject = "User"
)

// anything stands for every name and for every privilege.
const anything = "*"

// The privileges that the operations here ask for.
const (
	selectOwnership       = "SelectOwnership"
	createOwnership       = "CreateOwnership"
	dropOwnership         = "DropOwnership"
	manageOwnership       = "ManageOwnership"
	selectUser            = "SelectUser"
	updateUser            = "UpdateUser"
	createPrivilegeGroup  = "CreatePrivilegeGroup"
	dropPrivilegeGroup    = "DropPrivilegeGroup"
	listPrivilegeGroups   = "ListPrivilegeGroups"
	operatePrivilegeGroup = "OperatePrivilegeGroup"
)

// objectPrivileges are the privileges that the first generation grants, by the
// type of object.
var objectPrivileges = map[string][]string{
	collection: {
		"Load", "Release", "Compaction", "Insert", "Delete", "Upsert", "GetStatistics", "CreateIndex", "IndexDetail",
		"DropIndex", "Search", "Flush", "Query", "LoadBalance", "Import", "GetLoadingProgress", "GetLoadState",
		"CreatePartition", "DropPartition", "ShowPartitions", "HasPartition", "GetFlushState", readOnly, readWrite,
		"GetImportProgress", "ListImport", "AddCollectionField",
	},
	global: {
		all, "CreateCollection", "DropCollection", "DescribeCollection", "ShowCollections", "RenameCollection",
		createOwnership, dropOwnership, selectOwnership, manageOwnership, "BackupRBAC", "RestoreRBAC",
		"CreateResourceGroup", "UpdateResourceGroups", "DropResourceGroup", "DescribeResourceGroup", "ListResourceGroups",
		"TransferReplica", "TransferNode", "FlushAll", "CreateDatabase", "DropDatabase", "ListDatabases", "AlterDatabase",
		"DescribeDatabase", "CreateAlias", "DropAlias", "DescribeAlias", "ListAliases", admin,
		createPrivilegeGroup, dropPrivilegeGroup, listPrivilegeGroups, operatePrivilegeGroup, "UpdateReplicateConfiguration",
	},
	userObject: {updateUser, selectUser},
}

// otherPrivileges are known to the server and yet on no type of object, so that
// only the second generation grants them, as Global ones.
var otherPrivileges = []string{"AddFileResource", "RemoveFileResource", "ListFileResources", "GetReplicateConfiguration"}

// related are the privileges that the first generation grants and revokes along
// with another.
var related = map[string][]string{
	"Load":  {"GetLoadState", "GetLoadingProgress"},
	"Flush": {"GetFlushState"},
}

// Groups of the first generation. They are privileges like others there, which
// only the enforcer knows for groups.
const (
	all       = "All"
	readOnly  = "ReadOnly"
	readWrite = "ReadWrite"
	admin     = "Admin"
)

// administers are the privileges of the first generation's group Admin that the
// operations here ask for. Its other groups, ReadOnly and ReadWrite, have none.
var administers = []string{selectOwnership, createOwnership, dropOwnership, manageOwnership, selectUser, updateUser}

// group is a privilege group.
type group struct {
	name       string
	privileges []string
}

// builtIn are the groups of the second generation, in the server's order: three
// for each level, each holding what the one before it does.
var builtIn = slices.Concat(
	level("Cluster",
		[]string{
			"ListDatabases", selectOwnership, selectUser, "DescribeResourceGroup", "ListResourceGroups", listPrivilegeGroups,
			"GetReplicateConfiguration",
		},
		[]string{"FlushAll", "TransferNode", "TransferReplica", "UpdateResourceGroups"},
		[]string{
			"BackupRBAC", "RestoreRBAC", "CreateDatabase", "DropDatabase", createOwnership, dropOwnership, manageOwnership,
			"CreateResourceGroup", "DropResourceGroup", updateUser, "RenameCollection",
			createPrivilegeGroup, dropPrivilegeGroup, operatePrivilegeGroup, "UpdateReplicateConfiguration",
		}),
	level("Database",
		[]string{"ShowCollections", "DescribeDatabase"},
		[]string{"AlterDatabase"},
		[]string{"CreateCollection", "DropCollection"}),
	level("Collection",
		[]string{
			"Query", "Search", "IndexDetail", "GetFlushState", "GetLoadState", "GetLoadingProgress", "HasPartition",
			"ShowPartitions", "DescribeCollection", "DescribeAlias", "GetStatistics", "ListAliases",
			"GetImportProgress", "ListImport",
		},
		[]string{
			"Load", "Release", "Insert", "Delete", "Upsert", "Import", "Flush", "Compaction", "LoadBalance", "CreateIndex",
			"DropIndex", "CreatePartition", "DropPartition", "AddCollectionField",
		},
		[]string{"CreateAlias", "DropAlias"}),
)

func level(name string, reads, writes, rules []string) []group {
	return []group{
		{name + readOnly, reads},
		{name + readWrite, slices.Concat(reads, writes)},
		{name + admin, slices.Concat(reads, writes, rules)},
	}
}

// builtInGroup finds a built-in group.
func builtInGroup(name string) (group, bool) {
	i := slices.IndexFunc(builtIn, func(g group) bool { return g.name == name })
	if i < 0 {
		return group{}, false
	}
	return builtIn[i], true
}

// isDefined says whether the server itself has a privilege or a group of that
// name.
func isDefined(name string) bool {
	if _, ok := builtInGroup(name); ok {
		return true
	}
	for _, names := range objectPrivileges {
		if slices.Contains(names, name) {
			return true
		}
	}
	return slices.Contains(otherPrivileges, name)
}

// keptName is the name that the server keeps a privilege or a group under, which
// is what it sorts by.
func keptName(name string) string {
	_, ours := builtInGroup(name)
	switch {
	case name == anything:
		return name
	case ours, name == readOnly, name == readWrite, name == admin, !isDefined(name):
		return "PrivilegeGroup" + name
	}
	return "Privilege" + name
}

// objectTypeOf is the type of object that a privilege is on; groups are Global.
func objectTypeOf(privilege string) string {
	for _, t := range []string{collection, userObject} {
		if slices.Contains(objectPrivileges[t], privilege) {
			return t
		}
	}
	return global
}

// levelOf is the level that a privilege belongs to: Cluster, Database or
// Collection; empty for a group, and for the few that belong to none.
func levelOf(privilege string) string {
	for _, g := range builtIn {
		if name, widest := strings.CutSuffix(g.name, admin); widest && slices.Contains(g.privileges, privilege) {
			return name
		}
	}
	return ""
}
