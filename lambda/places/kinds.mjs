// Finds the service of a webhook by its host. Pure: no I/O, no clock, no Node API, no Intl.

/** @typedef {import("../core/destinations.mjs").Kind} Kind */

/** Says whether the host is the name, or below it. */
const isAt = (host, ...names) => names.some((name) => host === name || host.endsWith(`.${name}`));
const DISCORD = ["discord.com", "discordapp.com"].flatMap((host) => [host, `ptb.${host}`, `canary.${host}`]);

/**
 * Returns the format that a webhook takes. Other services understand the format of Slack, too: an unknown host gets this format.
 * @param {string} url
 * @returns {Kind}
 */
export function kindOf(url) {
  const [, authority = "", path = ""] = /^https?:[\\/]+([^\\/?#]*)([^?#]*)/i.exec(String(url).trim()) ?? [];
  const host = authority.split("@").pop().replace(/:\d*$/, "").replace(/\.$/, "").toLowerCase();
  if (DISCORD.includes(host)) return /\/slack\/?$/.test(path) ? "slack" : "discord";
  return isAt(host, "logic.azure.com", "api.powerplatform.com", "api.powerautomate.com", "flow.microsoft.com", "webhook.office.com") ? "teams" : "slack";
}
