// Which service a webhook belongs to, by its host. Pure: no I/O, no clock, no Node API, no Intl.

/** @typedef {import("../core/destinations.mjs").Kind} Kind */

/** Whether the host is the name, or below it. */
const isAt = (host, ...names) => names.some((name) => host === name || host.endsWith(`.${name}`));
const DISCORD = ["discord.com", "discordapp.com"].flatMap((host) => [host, `ptb.${host}`, `canary.${host}`]);

/**
 * What a webhook speaks. Slack's format is understood by more than Slack: whatever is not known is taken for that.
 * @param {string} url
 * @returns {Kind}
 */
export function kindOf(url) {
  const [, authority = "", path = ""] = /^https?:[\\/]+([^\\/?#]*)([^?#]*)/i.exec(String(url).trim()) ?? [];
  const host = authority.split("@").pop().replace(/:\d*$/, "").replace(/\.$/, "").toLowerCase();
  if (DISCORD.includes(host)) return /\/slack\/?$/.test(path) ? "slack" : "discord";
  return isAt(host, "logic.azure.com", "api.powerplatform.com", "webhook.office.com") ? "teams" : "slack";
}
