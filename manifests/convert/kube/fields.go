package kube

import "maps"

// treatment is davit's treatment of a field.
type treatment int

// The treatments of a field. The zero value refuses: a field that is not listed is not
// dropped in silence.
const (
	no      treatment = iota // would change the running containers: an error
	yes                      // honoured
	ignored                  // matters to a cluster only: a warning
	silent                   // says nothing that a node could do: no word
)

// field is how one field is treated, and why.
type field struct {
	treatment treatment
	reason    string
	// harmless are values that mean davit's own behaviour.
	harmless []any
}

// Reasons that several fields have.
const (
	scheduling  = "there is one node to run on"
	replacing   = "davit replaces a pod when it changes"
	noAccounts  = "there is no Kubernetes API to talk to"
	noClaims    = "davit has no device claims: use a Container with devices"
	noDevices   = "davit has no raw block volumes: use a Container with devices"
	byVolume    = "a PersistentVolume of the manifests has to satisfy it; without one, davit keeps the volume and warns"
	ownDirs     = "davit keeps the volume as a directory of the node"
	noBalancing = "a service is a name and published ports here"
	selected    = "a pod belongs to the object that defines it"
	windows     = "davit runs Linux containers"
	serverOnly  = "only an API server sets it"
	namedAfter  = "a template's pods are named after the object that defines them"
)

// objectMeta are the fields of meta/v1 ObjectMeta.
var objectMeta = map[string]field{
	"name":                       {treatment: yes},
	"labels":                     {treatment: yes},
	"annotations":                {treatment: yes},
	"namespace":                  {treatment: yes},
	"generateName":               {silent, "name says it", nil},
	"finalizers":                 {ignored, "objects without a manifest are removed", nil},
	"ownerReferences":            {ignored, "objects without a manifest are removed", nil},
	"uid":                        {silent, serverOnly, nil},
	"resourceVersion":            {silent, serverOnly, nil},
	"generation":                 {silent, serverOnly, nil},
	"selfLink":                   {silent, serverOnly, nil},
	"creationTimestamp":          {silent, serverOnly, nil},
	"deletionTimestamp":          {silent, serverOnly, nil},
	"deletionGracePeriodSeconds": {silent, serverOnly, nil},
	"managedFields":              {silent, serverOnly, nil},
}

// templateMeta are the fields of a template's metadata: pods are named after the object that defines them.
var templateMeta = func() map[string]field {
	fields := maps.Clone(objectMeta)
	maps.Copy(fields, map[string]field{
		"name":         {ignored, namedAfter, nil},
		"namespace":    {ignored, namedAfter, []any{"default"}},
		"generateName": {ignored, namedAfter, nil},
	})
	return fields
}()

// podSpec are the fields of core/v1 PodSpec.
var podSpec = map[string]field{
	"volumes":                       {treatment: yes},
	"initContainers":                {treatment: yes},
	"containers":                    {treatment: yes},
	"restartPolicy":                 {treatment: yes},
	"terminationGracePeriodSeconds": {treatment: yes},
	"activeDeadlineSeconds":         {treatment: yes},
	"dnsPolicy":                     {treatment: yes},
	"dnsConfig":                     {treatment: yes},
	"nodeSelector":                  {treatment: yes},
	"nodeName":                      {treatment: yes},
	"hostNetwork":                   {treatment: yes},
	"hostPID":                       {treatment: yes},
	"hostIPC":                       {treatment: yes},
	"shareProcessNamespace":         {treatment: yes},
	"securityContext":               {treatment: yes},
	"hostname":                      {treatment: yes},
	"hostAliases":                   {treatment: yes},
	"runtimeClassName":              {treatment: yes},
	"affinity":                      {ignored, scheduling, nil},
	"tolerations":                   {ignored, scheduling, nil},
	"topologySpreadConstraints":     {ignored, scheduling, nil},
	"schedulerName":                 {ignored, scheduling, []any{"default-scheduler"}},
	"schedulingGates":               {ignored, scheduling, nil},
	"schedulingGroup":               {ignored, scheduling, nil},
	"priority":                      {ignored, scheduling, []any{int64(0)}},
	"priorityClassName":             {ignored, scheduling, nil},
	"preemptionPolicy":              {ignored, scheduling, []any{"PreemptLowerPriority"}},
	"overhead":                      {ignored, scheduling, nil},
	"readinessGates":                {ignored, scheduling, nil},
	"evictionResponders":            {ignored, scheduling, nil},
	"serviceAccountName":            {ignored, noAccounts, []any{"default"}},
	"serviceAccount":                {ignored, noAccounts, []any{"default"}},
	"automountServiceAccountToken":  {ignored, noAccounts, []any{false}},
	"enableServiceLinks":            {silent, "davit sets no variables of services", nil},
	"imagePullSecrets":              {ignored, "davit pulls with the node's own credentials: see docs/images.md", nil},
	"subdomain":                     {ignored, "pods are reached by their names", nil},
	"setHostnameAsFQDN":             {ignored, "there is no cluster domain", []any{false}},
	"os":                            {no, windows, []any{map[string]any{"name": "linux"}}},
	"ephemeralContainers":           {no, "use davit exec", nil},
	"hostUsers":                     {treatment: yes},
	"hostnameOverride":              {treatment: yes},
	"resourceClaims":                {no, noClaims, nil},
	"resources":                     {treatment: yes},
}

// container are the fields of core/v1 Container.
var container = map[string]field{
	"name":                     {treatment: yes},
	"image":                    {treatment: yes},
	"command":                  {treatment: yes},
	"args":                     {treatment: yes},
	"workingDir":               {treatment: yes},
	"ports":                    {treatment: yes},
	"env":                      {treatment: yes},
	"envFrom":                  {treatment: yes},
	"resources":                {treatment: yes},
	"restartPolicy":            {treatment: yes},
	"volumeMounts":             {treatment: yes},
	"livenessProbe":            {treatment: yes},
	"readinessProbe":           {treatment: yes},
	"startupProbe":             {treatment: yes},
	"lifecycle":                {treatment: yes},
	"imagePullPolicy":          {treatment: yes},
	"securityContext":          {treatment: yes},
	"tty":                      {treatment: yes},
	"stdin":                    {ignored, "a service's standard input is at its end: with tty it stays open", []any{false}},
	"stdinOnce":                {ignored, "a service has no standard input", []any{false}},
	"resizePolicy":             {ignored, "systemd changes limits in place", nil},
	"terminationMessagePath":   {ignored, "the journal has the last output of a container", []any{"/dev/termination-log"}},
	"terminationMessagePolicy": {ignored, "the journal has the last output of a container", []any{"File"}},
	"restartPolicyRules":       {no, "use restartPolicy", nil},
	"volumeDevices":            {no, noDevices, nil},
}

// deploymentSpec are the fields of apps/v1 DeploymentSpec.
var deploymentSpec = map[string]field{
	"replicas":                {treatment: yes},
	"template":                {treatment: yes},
	"selector":                {treatment: yes},
	"strategy":                {treatment: yes},
	"minReadySeconds":         {treatment: yes},
	"progressDeadlineSeconds": {treatment: yes},
	"revisionHistoryLimit":    {ignored, replacing, nil},
	"paused":                  {no, "take the change out of the manifest instead", []any{false}},
}

// statefulSetSpec are the fields of apps/v1 StatefulSetSpec.
var statefulSetSpec = map[string]field{
	"replicas":                             {treatment: yes},
	"template":                             {treatment: yes},
	"volumeClaimTemplates":                 {treatment: yes},
	"selector":                             {treatment: yes},
	"serviceName":                          {silent, "pods are reached by their names", nil},
	"podManagementPolicy":                  {ignored, replacing, nil},
	"updateStrategy":                       {treatment: yes},
	"minReadySeconds":                      {treatment: yes},
	"revisionHistoryLimit":                 {ignored, replacing, nil},
	"persistentVolumeClaimRetentionPolicy": {ignored, "the volumes of claims are kept", []any{map[string]any{"whenDeleted": "Retain", "whenScaled": "Retain"}}},
	"ordinals":                             {treatment: yes},
}

// replicaSetSpec are the fields of apps/v1 ReplicaSetSpec.
var replicaSetSpec = map[string]field{
	"replicas":        {treatment: yes},
	"template":        {treatment: yes},
	"selector":        {treatment: yes},
	"minReadySeconds": {treatment: yes},
}

// controllerSpec are the fields of core/v1 ReplicationControllerSpec.
var controllerSpec = replicaSetSpec

// daemonSetSpec are the fields of apps/v1 DaemonSetSpec.
var daemonSetSpec = map[string]field{
	"template":             {treatment: yes},
	"selector":             {treatment: yes},
	"updateStrategy":       {treatment: yes},
	"minReadySeconds":      {treatment: yes},
	"revisionHistoryLimit": {ignored, replacing, nil},
}

// jobSpec are the fields of batch/v1 JobSpec.
var jobSpec = map[string]field{
	"parallelism":             {treatment: yes},
	"completions":             {treatment: yes},
	"activeDeadlineSeconds":   {treatment: yes},
	"backoffLimit":            {treatment: yes},
	"template":                {treatment: yes},
	"ttlSecondsAfterFinished": {treatment: yes},
	"suspend":                 {treatment: yes},
	"selector":                {silent, selected, nil},
	"manualSelector":          {silent, selected, nil},
	"podReplacementPolicy":    {ignored, replacing, nil},
	"scheduling":              {ignored, scheduling, nil},
	"managedBy":               {no, "davit runs the job", []any{"kubernetes.io/job-controller"}},
	"completionMode":          {silent, "every pod of a job has its index", nil},
	"podFailurePolicy":        {no, "use backoffLimit", nil},
	"successPolicy":           {no, "davit has no indexed jobs", nil},
	"backoffLimitPerIndex":    {no, "davit has no indexed jobs", nil},
	"maxFailedIndexes":        {no, "davit has no indexed jobs", nil},
}

// cronJobSpec are the fields of batch/v1 CronJobSpec.
var cronJobSpec = map[string]field{
	"schedule":                   {treatment: yes},
	"timeZone":                   {treatment: yes},
	"startingDeadlineSeconds":    {treatment: yes},
	"concurrencyPolicy":          {treatment: yes},
	"suspend":                    {treatment: yes},
	"jobTemplate":                {treatment: yes},
	"successfulJobsHistoryLimit": {treatment: yes},
	"failedJobsHistoryLimit":     {treatment: yes},
}

// claimSpec are the fields of core/v1 PersistentVolumeClaimSpec.
var claimSpec = map[string]field{
	"accessModes":               {yes, byVolume, nil},
	"resources":                 {yes, byVolume, nil},
	"storageClassName":          {yes, byVolume, nil},
	"selector":                  {yes, byVolume, nil},
	"volumeName":                {yes, byVolume, nil},
	"volumeAttributesClassName": {ignored, ownDirs, nil},
	"volumeMode":                {no, noDevices, []any{"Filesystem"}},
	"dataSource":                {no, "davit fills no volumes", nil},
	"dataSourceRef":             {no, "davit fills no volumes", nil},
}

// volumeResources are the fields of core/v1 VolumeResourceRequirements.
var volumeResources = map[string]field{
	"requests": {treatment: yes},
	"limits":   {ignored, ownDirs, nil},
}

// unboundClaim are the fields of a claim that no PersistentVolume of the manifests satisfies.
var unboundClaim = map[string]field{
	"accessModes":      {silent, ownDirs, nil},
	"resources":        {ignored, ownDirs, nil},
	"storageClassName": {ignored, ownDirs, nil},
	"selector":         {ignored, ownDirs, nil},
	"volumeName":       {ignored, "the manifests have no such PersistentVolume: davit keeps the volume as a directory of the node", nil},
}

// ephemeralClaim are the fields of a claim that lasts no longer than its pod.
var ephemeralClaim = map[string]field{
	"accessModes":      {silent, ownDirs, nil},
	"resources":        {treatment: yes},
	"storageClassName": {ignored, ownDirs, nil},
	"selector":         {ignored, ownDirs, nil},
	"volumeName":       {ignored, ownDirs, nil},
}

// localVolume are the fields of core/v1 LocalVolumeSource, claimRef those of ObjectReference.
var (
	localVolume = map[string]field{
		"path":   {treatment: yes},
		"fsType": {no, "a path is a directory: mount the file system on the node", nil},
	}
	claimRef = map[string]field{
		"name":            {treatment: yes},
		"namespace":       {treatment: yes},
		"kind":            {silent, "a volume is for claims", nil},
		"apiVersion":      {silent, "a volume is for claims", nil},
		"uid":             {silent, serverOnly, nil},
		"resourceVersion": {silent, serverOnly, nil},
		"fieldPath":       {silent, serverOnly, nil},
	}
)

// persistentVolumeSpec are the fields of core/v1 PersistentVolumeSpec beside the sources that one node does not have.
var persistentVolumeSpec = map[string]field{
	"hostPath":                      {treatment: yes},
	"local":                         {treatment: yes},
	"capacity":                      {treatment: yes},
	"accessModes":                   {treatment: yes},
	"storageClassName":              {treatment: yes},
	"claimRef":                      {treatment: yes},
	"nodeAffinity":                  {treatment: yes},
	"persistentVolumeReclaimPolicy": {ignored, "davit deletes nothing below a path of the node", []any{"Retain"}},
	"volumeMode":                    {no, noDevices, []any{"Filesystem"}},
	"mountOptions":                  {no, "davit mounts a directory of the node as it is", nil},
	"volumeAttributesClassName":     {ignored, ownDirs, nil},
}

// serviceSpec are the fields of core/v1 ServiceSpec.
var serviceSpec = map[string]field{
	"ports":                         {treatment: yes},
	"selector":                      {treatment: yes},
	"type":                          {treatment: yes},
	"clusterIP":                     {ignored, noBalancing, []any{"None"}},
	"clusterIPs":                    {ignored, noBalancing, nil},
	"sessionAffinity":               {ignored, noBalancing, []any{"None"}},
	"sessionAffinityConfig":         {ignored, noBalancing, nil},
	"externalTrafficPolicy":         {ignored, noBalancing, nil},
	"internalTrafficPolicy":         {ignored, noBalancing, nil},
	"trafficDistribution":           {ignored, noBalancing, nil},
	"healthCheckNodePort":           {ignored, noBalancing, nil},
	"publishNotReadyAddresses":      {ignored, noBalancing, nil},
	"ipFamilies":                    {ignored, noBalancing, nil},
	"ipFamilyPolicy":                {ignored, noBalancing, nil},
	"allocateLoadBalancerNodePorts": {ignored, noBalancing, nil},
	"loadBalancerClass":             {ignored, noBalancing, nil},
	"loadBalancerIP":                {no, "give the container's port a hostIP", nil},
	"loadBalancerSourceRanges":      {no, "davit filters no addresses: use the node's firewall", nil},
	"externalIPs":                   {no, "give the container's port a hostIP", nil},
	"externalName":                  {no, "use hostAliases", nil},
}

// servicePort are the fields of core/v1 ServicePort.
var servicePort = map[string]field{
	"name":        {silent, "ports are numbers here", nil},
	"protocol":    {treatment: yes},
	"port":        {treatment: yes},
	"targetPort":  {treatment: yes},
	"nodePort":    {treatment: yes},
	"appProtocol": {ignored, noBalancing, nil},
}

// The fields of v1 ConfigMap and Secret beside metadata.
var (
	configMap = map[string]field{
		"data": {treatment: yes}, "binaryData": {treatment: yes}, "immutable": {silent, "manifests change, not objects", nil},
	}
	secret = map[string]field{
		"data": {treatment: yes}, "stringData": {treatment: yes}, "type": {treatment: yes},
		"immutable": {silent, "manifests change, not objects", nil},
	}
)

// The fields of further types that are not davit's, or mean something else.
var (
	podSecurity = map[string]field{
		"supplementalGroupsPolicy": {no, "davit adds the groups of the image's user", []any{"Merge"}},
		"fsGroupChangePolicy":      {ignored, "davit changes the owner of no file in a volume", nil},
		"seLinuxChangePolicy":      {ignored, "davit labels its own volumes, each once", nil},
		"windowsOptions":           {no, windows, nil},
	}
	containerSecurity = map[string]field{
		"windowsOptions": {no, windows, nil},
	}
	lifecycle = map[string]field{
		"stopSignal": {treatment: yes},
	}
	statefulRolling = map[string]field{
		"maxUnavailable": {treatment: yes},
		"partition":      {no, "davit updates all replicas", []any{int64(0)}},
	}
	podVolume = map[string]field{
		"ephemeral": {treatment: yes},
	}
	volumeMount = map[string]field{
		"bindMountOptions": {no, "mounts are nosuid and nodev", nil},
	}
)
