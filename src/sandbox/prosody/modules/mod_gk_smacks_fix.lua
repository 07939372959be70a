-- COMPAT Prosody 0.12 to 13.0 (and trunk of May 2025): a resumed session keeps the data() of its old connection, with
-- that connection's XML parser in it. If the cut fell inside a stanza, the first stanza after the resumption is taken
-- for "not well-formed", the session dies, and its queue with it. The new connection's data() is the right one.

module:hook_global("c2s-session-updated", function (event)
	event.session.data = event.from_session.data;
end, 10);
