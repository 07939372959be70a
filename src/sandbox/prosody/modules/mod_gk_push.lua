-- Tells the gatekeeper process that an envelope (docs/interop-profile.md, section 6) waits for a user who is not
-- connected, so that it can wake the bridge (section 3). Says only who: no sender, no content.

local http = require "prosody.net.http";
local json = require "prosody.util.json";

local authority = module:get_option_string("gk_authority_url");
local secret = module:get_option_string("gk_secret");
local client = http.new({ connection_pooling = false });

local function tell(user, stanza)
	if not user or not stanza or not stanza:get_child("envelope", "urn:drawbridge:interop:1") then return; end
	client:request(authority .. "/internal/v1/waiting", {
		method = "POST";
		headers = { ["Content-Type"] = "application/json"; ["Authorization"] = "Bearer " .. secret };
		body = json.encode({ localpart = user });
	}):catch(function (err)
		-- The message is safe in the queue; only the wake-up is lost, and the next message wakes again.
		module:log("warn", "gatekeeper does not answer: %s", err);
	end);
end

-- Before mod_offline (priority -1) stores it; returns nothing, so that it is stored.
module:hook("message/offline/handle", function (event) tell(event.username, event.stanza); end, 1);

module:hook("smacks-hibernation-stanza-queued", function (event)
	tell(event.origin.username, event.stanza);
end);
