// The two AWS calls of the notifier. The SDK comes with the Lambda runtime and is imported only when first
// needed: a cold start pays for what it uses, and the tests run without it.

/** A call with its retries ends here; the SDK's own request timeout only warns. */
const CALL_MS = 2_500;
const CLIENT = { maxAttempts: 2, requestHandler: { connectionTimeout: 1_000 } };

const clients = new Map();

/** One client a service, kept for the life of the execution environment. */
async function client(name, make) {
  if (!clients.has(name)) clients.set(name, await make());
  return clients.get(name);
}

/**
 * The decrypted value of an SSM parameter.
 * @param {string} parameterName
 * @returns {Promise<string>}
 */
export async function readWebhook(parameterName) {
  const { SSMClient, GetParameterCommand } = await import("@aws-sdk/client-ssm");
  const ssm = await client("ssm", () => new SSMClient(CLIENT));
  const answer = await ssm.send(
    new GetParameterCommand({ Name: parameterName, WithDecryption: true }),
    { abortSignal: AbortSignal.timeout(CALL_MS) },
  );
  const value = answer.Parameter?.Value?.trim();
  if (!value) throw new Error(`SSM parameter ${parameterName} is empty`);
  return value;
}

/**
 * What the alert needs to know of a task definition. Needs ecs:DescribeTaskDefinition.
 * @param {string} arn
 * @returns {Promise<import("./incident.mjs").TaskDefinitionOutline>}
 */
export async function describeTaskDefinition(arn) {
  const { ECSClient, DescribeTaskDefinitionCommand } = await import("@aws-sdk/client-ecs");
  const ecs = await client("ecs", () => new ECSClient(CLIENT));
  const answer = await ecs.send(
    new DescribeTaskDefinitionCommand({ taskDefinition: arn }),
    { abortSignal: AbortSignal.timeout(CALL_MS) },
  );
  return outlineOf(answer.taskDefinition);
}

/**
 * Names, essential marks and log destinations only: environment and secrets of the definition stop here.
 * @param {any} taskDefinition  as ECS describes it
 * @returns {import("./incident.mjs").TaskDefinitionOutline}
 */
export function outlineOf(taskDefinition) {
  return {
    containers: (taskDefinition?.containerDefinitions ?? []).map(({ name, essential, logConfiguration }) => {
      const options = logConfiguration?.logDriver === "awslogs" ? logConfiguration.options ?? {} : {};
      const group = options["awslogs-group"];
      return {
        name,
        essential: essential !== false,
        log: group ? { group, region: options["awslogs-region"] ?? null, prefix: options["awslogs-stream-prefix"] ?? null } : null,
      };
    }),
  };
}

/**
 * Why a call failed, in the three ways a reader can act on.
 * @param {any} error
 * @returns {"denied"|"timeout"|"failed"}
 */
export function failureOf(error) {
  const name = String(error?.name ?? "");
  if (/AccessDenied|NotAuthorized|UnauthorizedOperation/.test(name)) return "denied";
  return /Timeout|Abort/.test(name) ? "timeout" : "failed";
}
