// Posts to a stand-in what a function posts to Slack. dev/local-aws loads this file into each function if TASKBELL_SLACK_STAND_IN has the
// stand-in's address: a user's webhook works on a local AWS as on the real one.

const fetched = globalThis.fetch;
globalThis.fetch = (url, ...rest) => fetched(String(url).replace("https://hooks.slack.com", process.env.TASKBELL_SLACK_STAND_IN), ...rest);
