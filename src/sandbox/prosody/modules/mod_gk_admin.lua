-- The gatekeeper process's hand inside Prosody: accounts by HTTP on loopback, behind a shared secret.
--
--   PUT    /gk/accounts/<user>  { "enabled": bool }  creates, enables or disables (which closes its sessions); 204
--   GET    /gk/accounts/<user>                       { "enabled", "sessions", "offline", "archived" } or 404
--   DELETE /gk/accounts/<user>                       closes sessions, deletes archive and offline queue; 204 or 404
--
-- Repeating a call is harmless.

local usermanager = require "prosody.core.usermanager";
local nodeprep = require "prosody.util.encodings".stringprep.nodeprep;
local equals = require "prosody.util.hashes".equals;
local json = require "prosody.util.json";

module:depends("http");

local host = module.host;
local expected = "Bearer " .. module:get_option_string("gk_secret");
local offline = module:open_store("offline", "archive");
local archive = module:open_store("archive", "archive");

-- Counted one by one: the SQL driver remembers totals, and does not forget them when an account is deleted.
local function count(store, user)
	local found = store:find(user);
	local n = 0;
	if found then for _ in found do n = n + 1; end end
	return n;
end

local function sessions_of(user)
	local n, entry = 0, prosody.hosts[host].sessions[user];
	for _, session in pairs(entry and entry.sessions or {}) do
		if session.conn then n = n + 1; end
	end
	return n;
end

local function guarded(handle)
	return function (event, path)
		if not equals(event.request.headers.authorization or "", expected) then return 401; end
		local user = nodeprep(path);
		-- An account that nodeprep would change could never log in under its own name.
		if not user or user == "" or user ~= path then return 400; end
		return handle(user, event);
	end
end

local function put(user, event)
	local wish = json.decode(event.request.body or "");
	if type(wish) ~= "table" or type(wish.enabled) ~= "boolean" then return 400; end
	local ok = true;
	if not usermanager.get_account_info(user, host) then ok = usermanager.create_user(user, nil, host); end
	if ok and wish.enabled ~= usermanager.user_is_enabled(user, host) then
		ok = (wish.enabled and usermanager.enable_user or usermanager.disable_user)(user, host);
	end
	return ok and 204 or 500;
end

local function get(user, event)
	local info = usermanager.get_account_info(user, host);
	if not info then return 404; end
	event.response.headers.content_type = "application/json";
	return json.encode({
		enabled = info.enabled;
		sessions = sessions_of(user);
		offline = count(offline, user);
		archived = count(archive, user);
	});
end

local function delete(user)
	if not usermanager.get_account_info(user, host) then return 404; end
	return usermanager.delete_user(user, host) and 204 or 500;
end

module:provides("http", {
	name = "gk";
	default_path = "/gk/accounts";
	route = { ["PUT /*"] = guarded(put), ["GET /*"] = guarded(get), ["DELETE /*"] = guarded(delete) };
});
