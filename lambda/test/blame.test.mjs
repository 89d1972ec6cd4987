import assert from "node:assert/strict";
import { test } from "node:test";
import { crashOf, signalOf, wasStoppedByEcs } from "../core/blame.mjs";
import { incidentOf } from "../core/incident.mjs";
import { changed, definitionOf, sample } from "./samples.mjs";

const AGENT = "aws-guardduty-agent-Ab12Cd";
const PROXY = "ecs-service-connect-Ab12C";
const PULL = "CannotPullContainerError: 403 Forbidden";
const DEPENDENCY = "CannotStartContainerError: dependency graph: failed to resolve container ordering dependency [migrate(repo/migrate:v1) (STOPPED->RUNNING) - Exit: 1] for target [web(repo/web:v1) (NONE->RUNNING)] as dependency did not exit successfully.";
const START = { stopCode: "TaskFailedToStart", stoppedReason: "Task failed to start", startedAt: undefined };
const JOB = { group: "family:job", startedBy: "events-rule/nightly" };
const WEB = { web: true, side: false, migrate: false };
const TWO = { web: true, api: true, side: false };

/** Rows: the task definition, name -> [exit code, reason], other fields of the task, then the cause and the container. */
const ROWS = [
  // An exit code that a container chose by itself.
  [null, { web: [1] }, {}, "application-exit", "web"],
  [null, { web: [1], side: [0] }, {}, "application-exit", "web"],
  [null, { side: [0], web: [2] }, {}, "application-exit", "web"],
  [WEB, { side: [3], web: [2] }, {}, "application-exit", "web"],
  [TWO, { web: [143], api: [2] }, {}, "application-exit", "api"],
  [TWO, { web: [137], api: [139] }, {}, "killed-by-signal", "api"],
  [null, { web: [137], api: [1] }, {}, "application-exit", "api"],
  [WEB, { web: [137], side: [1] }, {}, "killed-by-signal", "web"],
  [WEB, { web: [0], side: [1] }, {}, "exit-zero", "web"],
  [WEB, { web: [0], side: [1] }, JOB, "application-exit", "side"],
  [WEB, { web: [143], migrate: [1] }, {}, "application-exit", "migrate"],
  [null, { web: [0], api: [143] }, {}, "exit-zero", "web"],
  [null, { web: [0], api: [0] }, {}, "exit-zero", null],
  [WEB, { web: [0], side: [0] }, {}, "exit-zero", "web"],
  // Out of memory, in any container.
  [WEB, { web: [2], side: [137, "OutOfMemoryError: x"] }, {}, "out-of-memory", "side"],
  [null, { web: [128, "container init was OOM-killed"] }, START, "out-of-memory", "web"],
  [WEB, { web: [1], [AGENT]: [137, "OutOfMemoryError: x"] }, {}, "application-exit", "web"],
  // A reason of a container that did not fail.
  [WEB, { web: [1], side: [null, PULL] }, {}, "application-exit", "web"],
  [null, { web: [1], side: [null, PULL] }, {}, "application-exit", "web"],
  [null, { web: [1], [AGENT]: [null, PULL] }, {}, "application-exit", "web"],
  [WEB, { web: [0], [AGENT]: [null, PULL] }, {}, "exit-zero", "web"],
  [WEB, { web: [null], [AGENT]: [1] }, {}, "no-exit-code", "web"],
  [null, { [AGENT]: [null, PULL] }, START, "image-pull-failed", AGENT],
  [TWO, { web: [143], api: [null, "ContainerVanishedError: x"] }, {}, "runtime-failed", "api"],
  [TWO, { web: [1], api: [143, "DockerTimeoutError: Could not transition to stopped"] }, {}, "application-exit", "web"],
  [null, { web: [0], api: [137, "CannotStopContainerError: x"] }, {}, "killed-by-signal", "api"],
  // Scaling and other planned stops, whatever a container reports.
  [WEB, { web: [143], side: [null, PULL] }, { stopCode: "ServiceSchedulerInitiated", stoppedReason: "Scaling activity initiated by x" }, "stopped-by-scheduler", null],
  [WEB, { web: [null, PULL] }, { stopCode: undefined, stoppedReason: "Your Spot Task was interrupted." }, "spot-interruption", null],
  [WEB, { web: [1] }, { stopCode: "SpotInterruption", stoppedReason: undefined }, "spot-interruption", null],
  [WEB, { web: [1] }, { stopCode: "InfrastructureHealth", stoppedReason: "?" }, "infrastructure", null],
  [WEB, { web: [1] }, { stopCode: "UserInitiated", stoppedReason: "x" }, "stopped-by-user", null],
  [WEB, { web: [1, PULL] }, { stopCode: "UserInitiated", stoppedReason: "OutOfMemoryError" }, "stopped-by-user", null],
  // Neither exit code nor reason.
  [WEB, { web: [null], side: [0] }, {}, "no-exit-code", "web"],
  [null, { web: [null], side: [0] }, {}, "no-exit-code", "web"],
  [TWO, { web: [null], api: [137] }, {}, "no-exit-code", "web"],
  [TWO, { web: [null], api: [null], side: [0] }, {}, "no-exit-code", null],
  [WEB, { web: [null], migrate: [1] }, {}, "application-exit", "migrate"],
  [null, { web: [null] }, { stopCode: undefined, stoppedReason: undefined }, "no-exit-code", "web"],
  [WEB, { web: [null] }, { stopCode: "SolarFlare" }, "unknown", null],
  // The proxy of Service Connect is essential, listed or not.
  [{ web: true }, { web: [137], [PROXY]: [139] }, {}, "killed-by-signal", PROXY],
  [null, { web: [137], [PROXY]: [1] }, {}, "application-exit", PROXY],
  [{ web: true }, { web: [143], [PROXY]: [null] }, {}, "no-exit-code", PROXY],
  // Dependencies.
  [WEB, { web: [143, DEPENDENCY], migrate: [1] }, START, "application-exit", "migrate"],
  [null, { web: [null, DEPENDENCY], migrate: [137] }, START, "killed-by-signal", "migrate"],
  [WEB, { web: [null, DEPENDENCY], migrate: [null, PULL] }, START, "image-pull-failed", "migrate"],
  [WEB, { web: [null], migrate: [1] }, { ...START, stoppedReason: DEPENDENCY }, "application-exit", "migrate"],
  [WEB, { web: [null, DEPENDENCY.slice(0, 100)], migrate: [2] }, START, "application-exit", "migrate"],
  [WEB, { web: [null, "dependency container migrate never became healthy"], migrate: [143] }, START, "start-failed", "migrate"],
  [WEB, { web: [null, DEPENDENCY], side: [0] }, START, "start-failed", "web"],
  // Containers that never ran.
  [WEB, { web: [null], side: [null, PULL] }, START, "image-pull-failed", "side"],
  [WEB, { web: [null, "InvalidVolumeError: x"], side: [null] }, START, "start-failed", "web"],
  [WEB, { web: [null, "something new"] }, START, "start-failed", "web"],
  [WEB, { web: [null] }, { ...START, stoppedReason: "ResourceInitializationError: unable to pull secrets" }, "secrets-init-failed", null],
  [WEB, { web: [null, PULL] }, { ...START, stoppedReason: PULL }, "image-pull-failed", "web"],
  [WEB, { web: [null] }, { ...START, stopCode: undefined }, "start-failed", null],
  [WEB, { web: [null], migrate: [1] }, START, "application-exit", "migrate"],
  // The words of a stop beside an exit code; a spare container that never started; the proxy beside the application.
  [WEB, { web: [1, "CannotStopContainerError: x"] }, {}, "application-exit", "web"],
  [WEB, { web: [139, "DockerTimeoutError: Could not transition to stopped; timed out"] }, {}, "killed-by-signal", "web"],
  [WEB, { web: [0, "CannotStopContainerError: x"] }, JOB, "runtime-failed", "web"],
  [WEB, { web: [null, "CannotStopContainerError: x"] }, {}, "runtime-failed", "web"],
  [WEB, { web: [null], migrate: [null, PULL] }, {}, "image-pull-failed", "migrate"],
  [WEB, { web: [null], side: [null, PULL], migrate: [1] }, {}, "application-exit", "migrate"],
  [WEB, { web: [null], [AGENT]: [null, PULL] }, {}, "no-exit-code", "web"],
  [null, { web: [1], [PROXY]: [1] }, {}, "application-exit", "web"],
  [{ web: true }, { web: [1], [PROXY]: [1] }, {}, "application-exit", "web"],
  [WEB, { web: [143], side: [1], [PROXY]: [1] }, {}, "application-exit", PROXY],
  [null, { web: [null, PULL], [PROXY]: [null, PULL] }, START, "image-pull-failed", "web"],
  [null, { web: [137], [PROXY]: [137] }, {}, "killed-by-signal", "web"],
  [null, { web: [137, "container exceeded its memory limit"] }, {}, "out-of-memory", "web"],
  [null, { web: [1, "worker exceeded its memory limit"] }, {}, "application-exit", "web"],
  // Container names that are words of the agent, too; and images.
  [{ web: true, graph: false, resources: false }, { web: [null, "CannotStartContainerError: dependency graph: dependent container not in expected state"], graph: [0], resources: [0] }, START, "start-failed", "web"],
  [{ web: true, graph: false, resources: false }, { web: [null, "dependency graph: dependency on resources not resolved"], graph: [0], resources: [0] }, START, "start-failed", "web"],
  [{ web: true, graph: false }, { web: [null, 'dependency "graph" did not exit successfully'], graph: [1] }, START, "application-exit", "graph"],
  [WEB, { web: [null, "CannotPullContainerError: pull image docker.io/dependencytrack/web:4 for migrate: x"], migrate: [0] }, START, "image-pull-failed", "web"],
  [WEB, { migrate: [null, "CannotPullContainerError: acme/dependency-service/web: for web: not found"], web: [null] }, START, "image-pull-failed", "migrate"],
  // Windows.
  [null, { web: [2147483651] }, {}, "crashed", "web"],
  [null, { web: [-2146233082] }, {}, "crashed", "web"],
  [null, { web: [133] }, {}, "killed-by-signal", "web"],
  [null, { web: [159] }, {}, "killed-by-signal", "web"],
  [WEB, { web: [3221225477] }, {}, "crashed", "web"],
  [WEB, { web: [-1073741819], side: [0] }, {}, "crashed", "web"],
  [TWO, { web: [3221225786], api: [1] }, {}, "application-exit", "api"],
  [null, { web: [0], side: [-1073741510] }, {}, "exit-zero", "web"],
];

test("each end in the table gives its cause, its container to blame, and the mark on this container", () => {
  assert.ok(ROWS.length >= 40);
  for (const [at, [definition, containers, detail, cause, container]] of ROWS.entries()) {
    const listed = Object.entries(containers).map(([name, [exitCode, reason]]) => ({ name, exitCode: exitCode ?? undefined, reason }));
    // The order of the containers in the event proves nothing.
    for (const ordered of [listed, [...listed].reverse()]) {
      const incident = incidentOf(changed("01-exit-nonzero", { ...detail, containers: ordered }), definition ? { taskDefinition: definitionOf(definition) } : {});
      const where = `row ${at}: ${JSON.stringify([definition, containers, detail])}`;
      assert.deepEqual([incident.cause.id, incident.cause.values.container ?? null], [cause, container], where);
      assert.deepEqual(incident.containers.filter((one) => one.failed).map((one) => one.name), container ? [container] : [], where);
      if (container && definition && Object.hasOwn(definition, container)) assert.equal(incident.log.container, container, where);
    }
  }
});

test("exit codes of Windows have names, signed or unsigned, and a stop there counts as a stop by ECS", () => {
  for (const [code, name] of [[3221225477, "access violation (0xC0000005)"], [0xc0000409, "fail fast (0xC0000409)"], [0xc00000fd, "stack overflow (0xC00000FD)"], [0xc0000374, "heap corruption (0xC0000374)"],
    [0xe0434352, ".NET exception (0xE0434352)"], [0x80131623, ".NET fail fast (0x80131623)"], [0x80000003, "breakpoint (0x80000003)"], [0x80131506, ".NET internal error (0x80131506)"], [0xc06d007e, "module not found (0xC06D007E)"], [0xc0001234, "0xC0001234"]]) {
    assert.deepEqual([crashOf(code), crashOf(code - 2 ** 32)], [name, name]);
  }
  for (const code of [null, 0, 1, 139, 255, -1, 4294967295, 0xd0000001, -2147483648 * 4, 3221225786, -1073741510, 1073807364]) assert.equal(crashOf(code), null, `${code}`);
  for (const code of [137, 143, 3221225786, -1073741510, 1073807364]) assert.ok(wasStoppedByEcs({ exitCode: code }) && signalOf(code), `${code}`);
  const { cause, containers } = incidentOf(sample("11d-windows-crash"));
  assert.deepEqual([cause.values.signal, containers[0].signal], ["access violation (0xC0000005)", "access violation (0xC0000005)"]);
});

test("a job on Windows whose sidecar was stopped afterwards is silent", () => {
  for (const code of [3221225786, -1073741510, 1073807364]) {
    const event = changed("09b-sidecar-clean-app-killed-sidecar", { containers: [{ name: "job", exitCode: 0 }, { name: "envoy", exitCode: code }] });
    assert.equal(incidentOf(event, { taskDefinition: definitionOf({ job: true, envoy: true }) }).rings, false);
  }
});

test("a job whose containers all exited with 0 is silent without its definition; a container without exit code and reason, or a lost host, rings", () => {
  const of = (containers, detail, definition) => incidentOf(changed("09b-sidecar-clean-app-killed-sidecar", { ...detail, containers }), definition ? { taskDefinition: definitionOf(definition) } : {});
  const [done, unknown] = [{ name: "job", exitCode: 0 }, { name: "envoy" }];
  assert.match(of([done]).silentBecause, /every container exited with 0/);
  assert.equal(of([done, { name: AGENT }]).rings, false);
  assert.equal(of([done, { name: AGENT, exitCode: 1 }]).rings, false);
  assert.equal(of([done, unknown]).rings, true);
  assert.equal(of([done, unknown], {}, { job: true, envoy: true }).rings, true);
  assert.equal(of([done, unknown], {}, { job: true, envoy: false }).rings, false);
  for (const detail of [{ stopCode: undefined, stoppedReason: "Your Spot Task was interrupted." }, { stopCode: undefined, stoppedReason: "Host EC2 (instance i-1) terminated." }, { stopCode: "TerminationNotice" }, { group: "service:web" },
    { stopCode: undefined, stoppedReason: "Task failed to start" }]) {
    assert.equal(of([done], detail).rings, true, JSON.stringify(detail));
  }
});

test("without a stop code a job that exited with 0 is silent only if its reason states no more than its end", () => {
  const of = (stoppedReason, detail) => incidentOf(changed("09b-sidecar-clean-app-killed-sidecar", { stopCode: undefined, stoppedReason, containers: [{ name: "job", exitCode: 0 }], ...detail }));
  for (const reason of [undefined, null, "", " ", "Essential container in task exited", "essential container in task EXITED.", "Essential container in ta...", "Essential container in task…"]) assert.equal(of(reason).rings, false, reason);
  for (const reason of ["Task stopped: host hardware retired", "Container instance deregistration forced by user", "Instance i-0 terminated", "Fargate task retirement", "The Spot capacity was reclaimed", "ECS agent disconnected",
    "Essential container in task exited because its host was lost"]) {
    assert.equal(of(reason).rings, true, reason);
    assert.equal(incidentOf(changed("09b-sidecar-clean-app-killed-sidecar", { stopCode: undefined, stoppedReason: reason }), { taskDefinition: definitionOf({ job: true, envoy: true }) }).rings, true, reason);
  }
  assert.equal(of("Your Spot Task was interrupted.", { stopCode: "EssentialContainerExited" }).rings, true);
  assert.equal(of("finished", { stopCode: "EssentialContainerExited" }).rings, false);
});

test("without a stop code a user's stop is silent, unless a container failed by itself before", () => {
  const of = (containers, detail) => incidentOf(changed("07-user-stop", { stopCode: undefined, stoppedReason: "Task stopped by user", containers, ...detail }));
  for (const group of ["service:web", "family:web"]) {
    for (const exitCode of [0, 137, 143, undefined]) assert.match(of([{ name: "web", exitCode }], { group }).silentBecause ?? "", /a user stopped it/, `${exitCode}`);
    const failed = of([{ name: "web", exitCode: 1 }, { name: "side", exitCode: 143 }], { group });
    assert.deepEqual([failed.rings, failed.cause.id, failed.cause.values.container], [true, "application-exit", "web"]);
    assert.equal(of([{ name: "web", exitCode: 137, reason: "OutOfMemoryError: x" }], { group }).rings, true);
    assert.equal(of([{ name: "web", exitCode: 143 }], { group, stopCode: "UserInitiated" }).rings, true, "only nonzero-exit lets it in");
    assert.equal(of([{ name: "web", exitCode: 143 }], { group, stoppedReason: "Task stopped by user quota" }).cause.id, "killed-by-signal");
  }
});

test("a task that never ran has a state of its own", () => {
  const state = (detail, name = "03-cannot-pull") => incidentOf(changed(name, detail)).state;
  assert.equal(state({}), "failed-to-start");
  assert.equal(state({ stopCode: undefined }), "failed-to-start");
  assert.equal(state({ startedAt: "2026-11-20T10:00:00Z" }), "died");
  assert.equal(state({ startedAt: undefined }, "01-exit-nonzero"), "died");
  assert.equal(state({ startedAt: undefined }, "07-user-stop"), "stopped");
  assert.equal(state({ lastStatus: "DEPROVISIONING" }), "stopping");
  assert.equal(incidentOf(sample("03d-dependency-failed")).state, "failed-to-start");
});
