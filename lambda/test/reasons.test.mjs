import assert from "node:assert/strict";
import { test } from "node:test";
import { incidentOf } from "../core/incident.mjs";
import { dependencyIn, plainReason, readReason, reasonKindOf, stopOf, tellsOutOfMemory } from "../core/reasons.mjs";
import { changed } from "./samples.mjs";

/** Every error name of the ECS agent (from its public source), and the cause of the name without further words. */
const AGENT = {
  "start-failed": ["CannotCreateContainerError", "CannotCreateContainerExecError", "CannotCreateVolumeError", "CannotStartContainerError", "CannotStartContainerExecError", "ContainerNetworkingError",
    "HostConfigError", "InvalidVolumeError", "ResourceInitializationError", "TaskDependencyError", "TaskStoppedBeforePullBeginError", "UnrecognizedTransportProtocol", "UnparsablePort", "TaskFailedToStart"],
  "runtime-failed": ["CannotDescribeContainerError", "CannotGetContainerTopError", "CannotGetDockerClientVersionError", "CannotGetDockerclientError", "CannotInspectContainerError", "CannotInspectContainerExecError",
    "CannotInspectVolumeError", "CannotListContainersError", "CannotListImagesError", "CannotListPluginsError", "CannotRemoveContainerError", "CannotRemoveVolumeError", "CannotStopContainerError", "ContainerVanishedError",
    "DockerClientConfigError", "DockerStateError", "DockerTimeoutError", "ImpossibleStateTransitionError", "NoSuchContainerError", "SystemPingError", "InternalError", "ContainerRuntimeError", "ContainerRuntimeTimeoutError"],
  "image-pull-failed": ["CannotPullContainerAuthError", "CannotPullContainerError", "CannotPullECRContainerError", "CannotPullImageManifestError"],
  "out-of-memory": ["OutOfMemoryError"],
};

const told = (reason, more) => incidentOf(changed("03b-cannot-start", { containers: [{ name: "web", reason, ...more }] }));

test("every error name of the agent has a cause, as the container's reason and as the task's, in any case and spelling", () => {
  for (const [cause, names] of Object.entries(AGENT)) {
    for (const name of names) {
      for (const spelling of [name, name.toUpperCase(), name.toLowerCase(), name.replace(/(?<=[a-z])(?=[A-Z])/g, " ")]) {
        const { cause: { id, values } } = told(`${spelling}: something new`);
        assert.deepEqual([id, values.container], [cause, "web"], spelling);
        assert.equal(incidentOf(changed("03b-cannot-start", { stoppedReason: `Service web: ${spelling}: something new`, containers: [{ name: "web" }] })).cause.id, cause, spelling);
      }
    }
  }
});

const START = "CannotStartContainerError: Error response from daemon: ";
/** The deciding words of a reason, and the cause. */
const PHRASES = [
  [`${START}OCI runtime create failed: exec: "/app/run.sh": stat /app/run.sh: `, "no such file or directory", "command-not-found"],
  [`${START}starting container process caused: exec: "python": `, "executable file not found in $PATH", "command-not-found"],
  [`${START}fork/exec /app/run: `, "no such file or directory: unknown", "command-not-found"],
  [`${START}container abc encountered an error during hcs::System::CreateProcess: failure in a Windows system call: `, "The system cannot find the file specified. (0x2)", "command-not-found"],
  [`${START}container abc encountered an error during hcs::System::CreateProcess: failure in a Windows system call: `, "The system cannot find the path specified. (0x3)", "command-not-found"],
  [`${START}exec: "/app/run.sh": `, "permission denied: unknown", "not-executable"],
  [`${START}exec /app/run.sh: `, "exec format error", "not-executable"],
  [`${START}container abc encountered an error during hcs::System::CreateProcess: failure in a Windows system call: `, "Access is denied. (0x5)", "not-executable"],
  ["ResourceInitializationError: failed to initialize ", "logging driver: no such group", "logger-init-failed"],
  ["ResourceInitializationError: failed to validate ", "logger args: : signal: killed", "logger-init-failed"],
  ["ResourceInitializationError: unable to pull secrets or ", "registry auth: execution", "secrets-init-failed"],
  [`${START}OCI runtime create failed: container init was `, "OOM-killed (memory limit too low?): unknown", "out-of-memory"],
  [`${START}OCI runtime create failed: `, "out of memory: killed", "out-of-memory"],
];

test("a reason is understood wherever it is cut, however the cut is marked, and in the middle, too", () => {
  for (const [before, phrase, cause] of PHRASES) {
    const first = cause === "out-of-memory" ? 8 : phrase.startsWith("registry") ? 10 : phrase.startsWith("logg") || phrase.startsWith("exec f") ? 9 : phrase.startsWith("The system") ? 8 : 6;
    for (let kept = first; kept <= phrase.length; kept += 1) {
      for (const mark of ["...", "…", ""]) {
        const reason = before + phrase.slice(0, kept) + mark;
        assert.equal(told(reason).cause.id, cause, reason);
        if (mark) assert.equal(told(`${reason}: 12 more`).cause.id, cause, reason);
      }
    }
    assert.equal(told(before.replace("Error response from daemon", "Error  response\nfrom daemon").toUpperCase() + phrase.toUpperCase()).cause.id, cause);
  }
});

test("a text that only resembles such a reason is not taken for one", () => {
  for (const [reason, cause] of [
    [`${START}error gathering device information while adding custom device "/dev/dri/renderD130": no such file or directory`, "start-failed"],
    [`${START}rootfs_linux.go:76: mounting "/app" to rootfs: permission denied`, "start-failed"],
    ["CannotCreateVolumeError: not authorized to perform: elasticfilesystem:Mount on resource: arn:aws:efs:x", "start-failed"],
    [`${START}zoom-killer is not a device`, "start-failed"],
    ["The container operating system does not match the host operating system.", "start-failed"],
    ["container abc encountered an error during hcsshim::CreateComputeSystem: The virtual machine could not be started", "start-failed"],
  ]) assert.equal(told(reason).cause.id, cause, reason);
  assert.equal(tellsOutOfMemory("the room is full"), false);
});

test("the prefixes that AWS puts before a reason are ignored", () => {
  for (const reason of ["Service web-1: ECS is x", "(service web_1) ECS is x", "Amazon ECS is x", "Service web: Amazon  ECS\tis x", " ECS is x", "Service web : ECS is x", "(service web, taskSet ecs-svc/1) ECS is x", "(service web, deployment ecs-svc/1), ECS is x",
    "Service arn:aws:ecs:us-east-1:123456789012:service/prod/web: ECS is x"]) assert.equal(plainReason(reason), "ECS is x", reason);
  for (const front of ["", "Service web: ", "(service web) ", "Amazon ", "service WEB: amazon ", "Service arn:aws:ecs:us-east-1:123456789012:service/prod/web: ", "(service web, taskSet ecs-svc/1) ", "Service web : "]) {
    for (const [reason, cause] of [["Scaling activity initiated by (deployment ecs-svc/1)", "stopped-by-scheduler"], ["availability zone rebalancing initiated by x", "stopped-by-scheduler"], ["ECS is performing maintenance on x", "maintenance"],
      ["ECS Scaling activity initiated by (deployment ecs-svc/1)", "stopped-by-scheduler"], ["ECS is performing scheduled maintenance on x", "maintenance"], ["ECS is performing maint...", "maintenance"],
      [`container instance arn:aws:ecs:us-east-1:123456789012:container-instance/${"c".repeat(180)}/0123456789abcdef is draining`, "draining"],
      ["the container instance is in DRAINING state", "draining"], ["Draining of the container instance", "draining"], ["Task failed ELB health checks in (target-group x)", "elb-health-check-failed"],
      ["Task failed container health checks", "container-health-check-failed"], ["Your Spot Task was interrupted.", "spot-interruption"], ["Host EC2 (instance i-1) stopped.", "host-lost"]]) {
      assert.equal(stopOf(front + reason), cause, front + reason);
    }
  }
  assert.equal(stopOf("Essential container in task exited"), null);
  assert.equal(stopOf(null), null);
});

test("a planned stop is silent for a service's task, and a lost stand-alone task rings", () => {
  for (const stopCode of ["ServiceSchedulerInitiated", undefined]) {
    for (const stoppedReason of ["Service web: ECS is performing maintenance on x", "the container instance is in DRAINING state"]) {
      const of = (detail) => incidentOf(changed("10c-maintenance", { stopCode, stoppedReason, group: undefined, startedBy: undefined, ...detail }));
      for (const service of [{ group: "service:web" }, { startedBy: "ecs-svc/1" }, { daemonArn: "arn:aws:ecs:us-east-1:123456789012:daemon/prod/log" }]) assert.match(of(service).silentBecause, /service's task/);
      for (const alone of [{}, { group: "family:web", startedBy: "events-rule/nightly" }]) assert.deepEqual([of(alone).rings, of(alone).severity], [true, "warning"]);
      assert.ok(of({ group: "service:web", containers: [{ name: "web", exitCode: 137, reason: "OutOfMemoryError: x" }] }).rings, "out of memory meanwhile");
    }
  }
});

test("words of a planned stop in the reason of a failure silence nothing, and the stop code of a loss outranks them", () => {
  const of = (detail) => incidentOf(changed("10c-maintenance", { group: "service:web", ...detail }));
  const planned = ["Scaling activity initiated by x", "ECS is performing maintenance on x", "the container instance is in DRAINING state", "Task stopped by user"];
  const failed = [{ name: "web", exitCode: 1 }];
  for (const stoppedReason of [...planned, "worker failed: Database is performing maintenance"]) {
    const { rings, cause } = of({ stopCode: "EssentialContainerExited", stoppedReason, containers: failed });
    assert.deepEqual([rings, cause.id], [true, "application-exit"], stoppedReason);
    assert.equal(of({ stopCode: "TaskFailedToStart", stoppedReason, containers: [{ name: "web" }] }).rings, true, stoppedReason);
    for (const [stopCode, id] of [["SpotInterruption", "spot-interruption"], ["TerminationNotice", "host-lost"], ["InfrastructureHealth", "infrastructure"]]) {
      const lost = of({ stopCode, stoppedReason });
      assert.deepEqual([lost.rings, lost.cause.id], [true, id], `${stopCode} ${stoppedReason}`);
    }
    for (const front of ["CannotPullContainerError: ", "TaskFailedToStart: CannotPullContainerError: "]) {
      for (const stopCode of ["TaskFailedToStart", undefined, "ServiceSchedulerInitiated"]) {
        const pull = of({ stopCode, stoppedReason: `${front}${stoppedReason}: the registry is performing maintenance after a spot interruption`, containers: [{ name: "web" }] });
        assert.deepEqual([pull.rings, pull.cause.id], [true, "image-pull-failed"], `${stopCode} ${front}`);
      }
    }
  }
  assert.equal(of({ stopCode: "TaskFailedToStart", stoppedReason: "TaskFailedToStart: AGENT: container instance is draining", containers: [{ name: "web" }] }).cause.id, "placement-failed");
  assert.equal(of({ stopCode: undefined, stoppedReason: "Database is performing maintenance", containers: failed }).cause.id, "application-exit");
});

test("neither an image's name nor a tool's decides why an image could not be pulled", () => {
  for (const words of ["acme/oom-killer:1: not found", "docker.io/acme/log-driver:1: x", 'exec: "unpigz": executable file not found in $PATH', "acme/exec:1: no such file or directory", "ghcr.io/acme/registry-auth:1: x", "docker.io/dependencytrack/web:4: x",
    "acme/dependency-graph:1: x", "out of memory", "no active instances", "is already allocated"]) {
    for (const name of ["CannotPullContainerError", "ImagePullFailure", "CannotPullECRContainerError", "TaskFailedToStart: CannotPullContainerError"]) {
      assert.equal(told(`${name}: ${words}`).cause.id, "image-pull-failed", words);
      assert.notEqual(reasonKindOf(`${name}: ${words}`), "dependency");
    }
  }
  assert.equal(told("CannotPullContainerError: unable to retrieve registry auth").cause.id, "secrets-init-failed");
  assert.equal(told('ResourceInitializationError: failed to invoke EFS utils: exec: "mount.efs": executable file not found in $PATH').cause.id, "start-failed");
  assert.equal(told('ResourceInitializationError: OCI runtime create failed: exec: "x": executable file not found in $PATH').cause.id, "command-not-found");
});

test("a general beginning does not hide the cause behind it", () => {
  for (const front of ["TaskFailedToStart: ", "Task failed to start: ", "TaskFailedToStart:", "Service web: Task failed to start: "]) {
    for (const [rest, id] of [["CannotPullContainerError: x", "image-pull-failed"], ["DockerTimeoutError: x", "runtime-failed"], ["ResourceInitializationError: unable to pull secrets", "secrets-init-failed"], ["AGENT", "placement-failed"],
      ["RESOURCE:CPU", "placement-failed"], ["something new", "start-failed"]]) {
      if (front.endsWith("start: ") && rest === "AGENT") continue;
      assert.equal(incidentOf(changed("03b-cannot-start", { stoppedReason: front + rest, containers: [{ name: "web" }] })).cause.id, id, front + rest);
    }
    assert.equal(reasonKindOf(`${front}CannotCreateContainerError: x`), "cannot-create-container-error");
  }
});

test("different failures to start of one container have different keys, and a repeated failure has one key", () => {
  const keys = ["CannotStartContainerError: Bind for 0.0.0.0:80 failed: port is already allocated", "CannotStartContainerError: error mounting volume", "CannotCreateVolumeError: no such plugin", "CannotCreateVolumeError: no such file",
    "CannotStartContainerError: no such plugin", "CannotStartContainerError: x", "CannotCreateContainerError: x"].map((reason) => told(reason).failure);
  assert.equal(new Set(keys).size, keys.length);
  const of = (port) => told(`CannotStartContainerError: Bind for 0.0.0.0:${port} failed: port is already allocated`).failure;
  assert.equal(of(80), of(81));
  assert.ok(!Object.hasOwn(told("CannotStartContainerError: x"), "errorName"));
});

test("the kind of a reason distinguishes failures to start", () => {
  const kinds = { port: "driver failed programming external connectivity: Bind for 0.0.0.0:80 failed: port is already allocated", volume: "failed to mount local volume: mount /x:/var: no such file or directory", memory: "cannot allocate memory",
    dependency: "dependency graph: failed to resolve", disk: "write /var/lib/docker: no space left on device", device: "error gathering device information", network: "dial tcp: lookup x: no such host", timeout: "i/o timeout",
    "rate-limit": "toomanyrequests: x", denied: "not authorized to perform: x", permission: "operation not permitted", "not-found": "manifest for x not found", platform: "does not match the host operating system" };
  for (const [kind, reason] of Object.entries(kinds)) {
    const incident = told(`CannotStartContainerError: ${reason}`);
    assert.equal(incident.reasonKind, kind, reason);
    assert.equal(reasonKindOf(`Service web: CannotStartContainerError: ${reason}`), kind, reason);
  }
  assert.equal(reasonKindOf("DockerTimeoutError: x"), "timeout");
  assert.equal(reasonKindOf("CannotCreateContainerError: x"), "cannot-create-container-error");
  for (const none of [null, "", "Essential container in task exited", "Task failed to start"]) assert.equal(reasonKindOf(none), null);
  assert.equal(incidentOf(changed("01-exit-nonzero", {})).reasonKind, null);
});

test("the container that was waited for is found in a reason, whole or cut", () => {
  const names = ["web", "migrate", "container"];
  for (const [reason, bearer, name] of [
    ["dependency graph: failed to resolve container ordering dependency [migrate(repo/web:v1) (STOPPED->RUNNING) - Exit: 1] for target [web(x)] as dependency did not exit successfully.", "web", "migrate"],
    ["CannotStartContainerError: dependency graph: container ordering dependency [migrate(x) (RUNNING)] for target [web(x)] has timed out.", "web", "migrate"],
    ["dependency graph: failed to resolve container ordering dependency [migr...", "web", "migrate"], ["dependency container migrate never became healthy", "web", "migrate"],
    ["Container web depends on migrate, which did not exit successfully", "web", "migrate"], ["TaskDependencyError: dependency migrate did not exit successfully", null, "migrate"],
    ["dependency [other(x)] for target [web(x)]", "web", null], ["dependency graph: failed to resolve container ordering dependency [", "web", null], ["CannotPullContainerError: migrate", "web", null], [null, "web", null],
  ]) assert.equal(dependencyIn(reason, bearer, names), name, reason);
});

test("no reason, however long, takes long to read", () => {
  const started = process.cpuUsage().user;
  for (const piece of ["exec: ", "amazon ", "service a: ", "dependency [", "...", "oom", "createprocess ", "instance drain ", "no such file "]) {
    const reason = piece.repeat(40_000 / piece.length);
    for (const read of [readReason, stopOf, reasonKindOf, tellsOutOfMemory]) read(reason);
    dependencyIn(reason, null, ["a", "b"]);
  }
  assert.ok(process.cpuUsage().user - started < 3_000_000);
});
