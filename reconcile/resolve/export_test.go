package resolve

// For the tests in package resolve_test.
const AfALG = afALG
const AfNetlink = afNetlink
const AfVsock = afVsock

var AllCapabilities = allCapabilities
var AsBeforeSignatures = asBeforeSignatures
var AssignPorts = assignPorts
var CalendarEvents = calendarEvents
var CapabilitySet = capabilitySet
var CpuWeight = cpuWeight
var DefaultCapabilities = defaultCapabilities
var DefaultFilter = defaultFilter
var DefaultPullPolicy = defaultPullPolicy

const FirstPort = firstPort

var HealthOf = healthOf
var HostnameOf = hostnameOf
var IsRecursive = isRecursive
var MaskedPaths = maskedPaths

const MaxHealthcheck = maxHealthcheck
const PingGroups = pingGroups

var PortLists = portLists
var Ports = ports
var ReadonlyPaths = readonlyPaths

type Runnable = runnable

var SystemMounts = systemMounts
