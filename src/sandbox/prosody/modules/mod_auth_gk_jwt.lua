-- Accounts and logins of the reference gatekeeper's messaging service (docs/interop-profile.md, sections 1 and 4).
--
-- The only mechanism is OAUTHBEARER (RFC 7628). Every token goes to the gatekeeper process, which alone knows the
-- issuers, the enlistments, and the tokens already used; so there is one place that judges tokens, and no key is kept
-- here. The answer is 200 with { "ok": true, "localpart": ... } or { "ok": false, "reason": code, "disabled": bool }.
--
-- Whether an account exists is known here too, in a store of Prosody's own (mod_gk_admin fills it), because the offline
-- queue and bounces ask for it at every message and must not wait for another process.

local new_sasl = require "prosody.util.sasl".new;
local http = require "prosody.net.http";
local json = require "prosody.util.json";
local async = require "prosody.util.async";

local host = module.host;
local accounts = module:open_store("accounts");
local authority = module:get_option_string("gk_authority_url");
local secret = module:get_option_string("gk_secret");
local max_token = 8192;

local client = http.new({ connection_pooling = false });

local function ask(token, authzid)
	local response, err = async.wait_for(client:request(authority .. "/internal/v1/authorize", {
		method = "POST";
		headers = { ["Content-Type"] = "application/json"; ["Authorization"] = "Bearer " .. secret };
		body = json.encode({ token = token, authzid = authzid });
	}));
	if not response then
		module:log("warn", "gatekeeper does not answer: %s", err);
		return nil;
	end
	return json.decode(response.body);
end

-- state: true = welcome, false = account disabled, nil = token refused.
local function oauthbearer(_, token, _, authzid)
	-- The profile asks for an authorization identity: a token alone does not say for which network it was meant.
	if not token or #token > max_token or not authzid then
		return nil, nil, { status = "invalid_token" };
	end
	local answer = ask(token, authzid);
	if not answer then
		return nil, nil, { status = "temporarily_unavailable" };
	end
	if not answer.ok then
		module:log("info", "login refused: %s", answer.reason);
		if answer.disabled then return answer.localpart, false; end
		return nil, nil, { status = "invalid_token", scope = "connect" };
	end
	local account = accounts:get(answer.localpart);
	if not account then
		module:log("info", "login refused: no such account");
		return nil, nil, { status = "invalid_token" };
	end
	return answer.localpart, not account.disabled;
end

local provider = { name = "gk_jwt" };

function provider.user_exists(user) return accounts:get(user) ~= nil; end

function provider.is_enabled(user)
	local account = accounts:get(user);
	return account ~= nil and not account.disabled;
end

function provider.get_account_info(user)
	local account = accounts:get(user);
	return account and { created = account.created, enabled = not account.disabled };
end

local function set_disabled(user, disabled)
	local account = accounts:get(user);
	if not account then return nil, "no such account"; end
	account.disabled = disabled or nil;
	return accounts:set(user, account);
end

function provider.create_user(user) return accounts:set(user, { created = os.time() }); end
function provider.delete_user(user) return accounts:set(user, nil); end
function provider.enable(user) return set_disabled(user, false); end
function provider.disable(user) return set_disabled(user, true); end
function provider.set_password() return nil, "there are no passwords here"; end
function provider.test_password() return nil, "there are no passwords here"; end
function provider.users() return accounts:users(); end
function provider.get_sasl_handler() return new_sasl(host, { oauthbearer = oauthbearer }); end

module:provides("auth", provider);
