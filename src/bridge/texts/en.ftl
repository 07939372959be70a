# English. The wording rules are in docs/boundary.md: say where it ends and who can read; short sentences; no claim that
# the bridge cannot prove. A text that people agree to carries a version, raised whenever its meaning changes.

## The boundary

boundary-matrix-leg = { $encrypted ->
    [yes] Between your Matrix client and this bridge, messages are end-to-end encrypted.
   *[no] Between your Matrix client and this bridge, messages are not end-to-end encrypted. The operator of your homeserver can read them.
  }
boundary-bridge = { $mode ->
    [own-endpoint] At the bridge they are decrypted and encrypted again. It runs on a machine of { $operator } for their own use; that machine can read them.
   *[provider] At the bridge they are decrypted and encrypted again. { $operator } operates it and can read them while they pass.
  }
boundary-stored = A message waits in the bridge's database, sealed, until it has arrived. What you send is kept there, sealed, until the other person's app has confirmed it, in case it asks again; at most { $hours } hours. A message that failed is kept there, sealed, for { $failed } hours, so that it can be sent again.
boundary-files = A file that you send lies at the bridge for { $days } days, encrypted, for the other person's app to fetch; what opens it travels in the message. A file that you get is put on your homeserver as your messages are.
boundary-network-leg = Between the bridge and { $network }, messages are encrypted with the Signal protocol ({ $suite }).
boundary-beyond = { $network } sees who writes to whom, when, and how much. What the other person's app does with a message is out of sight.
boundary-lost = Missing here, compared with { $network } itself: { $lost }.
boundary-contact = Questions: { $contact }

opt-in-notice = Before you connect to { $network }, this is what happens to your messages:
    .version = 1
opt-in-question = Answer with "yes" or a 👍 reaction to connect, or "no" to leave it. Nothing is sent to { $network } before you say yes.

portal-notice = This room is a chat with { $contact } on { $network }.
    .version = 1
portal-topic = Bridged to { $network }. Messages are decrypted at the bridge run by { $operator }.
boundary-told-to-contact = You are writing with { $user }, who uses Matrix. Their messages pass a bridge operated by { $operator }, which decrypts and encrypts them there.
    .version = 1
contact-told-us = { $contact } writes through a service that says: { $text }

## Commands

greeting = Hello. I connect you with { $network }. Write "help" for what I can do.
ghost-invited = To chat with this contact, write start-chat to the bridge's bot.
bot-in-group = I work in direct chats only.
help-head = Commands (in a chat room put { $prefix } before them):
help-line = { $usage } — { $summary }
command-help = what I can do
command-opt-in = connect to a network, after you have read what that means
command-opt-out = disconnect from a network and destroy your keys
command-status = what I know about your connection
command-start-chat = open a chat with a phone number, a user name or a network id
command-trust = accept the changed key of the other person (in their chat)
command-receipts = whether contacts see that you have read their messages
command-typing = whether contacts see that you are writing
command-retry = send your last message in this chat again, if it failed
command-requeue = list messages that failed, or send them again (administrators)
command-features = what crosses to your network and what does not
command-version = version and source code of this bridge
command-unknown = I do not know "{ $name }". { $nearest ->
    [none] Write "help" for what I can do.
   *[other] Did you mean "{ $nearest }"?
  }
command-failed = That did not work: { $reason }
bot-encrypted = I cannot read encrypted chats yet. Please start a new direct chat with me without encryption.
command-usage = Usage: { $usage }
command-not-allowed = You are not permitted to use this bridge. Its operator is { $operator } ({ $contact }).
network-unknown = I do not know a network "{ $name }". There is: { $networks }.
network-which = Which network? There is: { $networks }.

opt-in-already = You are connected to { $network } already.
opt-in-not-here = Please do this in our direct chat.
opt-in-enlisting = Thank you. Connecting you to { $network }…
opt-in-changed = What I showed you has changed since. Please read it again.
opt-in-done = You are connected to { $network }. Your id there is { $interop }. Write "start-chat" and a phone number or user name to begin.
opt-in-declined = Nothing was sent to { $network }.
opt-in-failed = { $network } did not accept the connection: { $reason } Nothing of you is kept there.
opt-in-homeserver = Accounts of your homeserver are not covered by the agreement with { $network }.
opt-out-not-in = You are not connected to { $network }.
opt-out-question = This deletes at the bridge: your keys for { $network }, what still waits to be sent or shown, and { $portals ->
    [0] no rooms
    [one] the link to { $portals } room
   *[other] the links to { $portals } rooms
  } (the rooms stay readable to you; I leave them). { $network } is asked to delete your keys, queue and archive. The record that you agreed and withdrew stays. Answer "yes" to do it.
    .version = 1
opt-out-kept = Nothing was changed.
opt-out-begun = Disconnecting you from { $network }…
opt-out-waiting = { $network } cannot be reached to disconnect you: { $reason } I keep trying. Nothing is sent or received for you meanwhile.
suspended = { $network } has suspended your connection. Messages are not bridged until it lifts that.
login-refused = { $network } does not let the bridge in with your account. What you write there waits, and nothing comes in. I keep trying, and tell you when it works again. If it lasts, ask the operator ({ $contact }).
login-restored = { $network } lets the bridge in with your account again. What waited is on its way.
resumed = { $network } has lifted the suspension. Messages are bridged again.
link-conflict = Another program has connected to { $network } with your account, and the bridge has stepped back. If that was not you, ask the operator ({ $contact }).
opt-out-done =
    You are disconnected from { $network }.
    - Un-enlisted: { $unenlisted ->
        [was-not-enlisted] { $network } did not know you any more
        [never-asked] { $network } was never told of you
        [refused] { $network } did not confirm it ({ $code }); ask { $network } to delete what it holds of you
       *[done] { $network } confirmed at { $at }
      }
    - Your key at this bridge: destroyed; what it had sealed cannot be read by anyone.
    - Rooms I left: { $rooms }
    - What remains: the line that records when you agreed and withdrew, this chat with me, and for { $days } days the ids, without content, of what you wrote in those rooms.

status-none = You are not connected to any network. Write "opt-in" to begin.
status-line = { $network }: { $state ->
    [active] connected as { $interop }
    [enlisting] connecting
    [suspended] suspended by the network
   *[leaving] disconnecting
  }. Link: { $link }. Key fingerprint: { $fingerprint }.
status-reason = Reason: { $reason }

start-chat-done = Here is the chat with { $contact }: { $room }
start-chat-not-opted-in = { $contact } is on { $network }, but does not take messages from other services. They can allow it in their app's settings.
start-chat-unknown = { $network } does not know { $contact }.
start-chat-bad-identifier = "{ $identifier }" is neither a phone number with country code (+49…), nor a user name (@name), nor an id of the network.
start-chat-not-connected = You are not connected to { $network }. Write "opt-in" first.

features-pass = To { $network } cross: { $features }.
features-degrade = As something less arrive: { $features }.
features-refuse = Not sent, and told so: { $features }.
features-limits = A text longer than { $characters } characters goes as several; a file may have { $megabytes } MB.
feature-name = { $feature ->
    [formatting] formatting
    [reply] replies
    [edit] changes to messages
    [reaction] reactions
    [delete] deletions
    [image] pictures
    [video] videos
    [audio] audio
    [voice] voice messages
    [file] files
    [sticker] stickers (as pictures)
    [location] places
    [contact-card] contact cards (as files)
    [read-marker] read receipts
    [typing] typing
    [disappearing] disappearing messages
    [poll] polls
    [call] calls
   *[text] text
  }
share-read-receipts = { $shares ->
    [yes] Your contacts see when you have read their messages, unless your client keeps your receipts private.
   *[no] Your contacts do not see when you have read their messages.
  } Change it with "receipts on" or "receipts off".
share-typing = { $shares ->
    [yes] Your contacts see when you are writing to them.
   *[no] Your contacts do not see when you are writing to them.
  } Change it with "typing on" or "typing off".
retry-not-here = Write this in the chat whose message failed.
retry-nothing = No message of yours has failed here.
retry-done = Your message is on its way again.
retry-refused = It cannot be sent again: { $reason }
requeue-none = No message has failed there.
requeue-head = { $count ->
    [one] One message failed:
   *[other] { $count } messages failed, in the order in which they were written:
  }
requeue-line = { $event } of { $user } in { $room }, { $age } ago: { $reason }
requeue-more = There are more than these { $count }.
requeue-how = Write "requeue" and an event id, or "requeue", a user or room id, and "all".
requeue-done = { $count ->
    [0] Nothing is on its way again.
    [one] One message is on its way again.
   *[other] { $count } messages are on their way again.
  }
requeue-refused = { $event } is not sent again: { $reason }
age = { $unit ->
    [minutes] { $count } min
    [hours] { $count } h
   *[days] { $count } d
  }

version = Drawbridge { $version }, free software under the AGPL-3.0. Source: { $source }

## Messages that did not get through

not-yet-bridged = ⏳ Your message waits: { $reason } I keep trying, and tell you if it does not get through.
not-bridged = ⚠️ Your message was not bridged: { $reason }
requeued = ⏳ Your message is on its way again. It will arrive late.
requeued-sent = Your message was sent after all, late.
maybe-not-bridged = ⚠️ Your message may not have been bridged: { $reason }
not-shown = ⚠️ A message from { $contact } could not be shown: { $reason }
message-missing = This message could not be decrypted yet. It has been asked for again and will appear here when it comes.
message-missing-final = This message could not be decrypted, and asking for it again did not help. It can be read in the other person's app only.
unsupported-inbound = { $contact } sent something that this bridge cannot show yet ({ $what }). It can be seen in their app only.

file-not-shown = 📎 { $contact } sent a file that cannot be shown here: { $reason } It can be seen in their app only.
edit-of-unknown = ✏️ (a change to an earlier message that is not here)
reaction-to-unknown = { $contact } reacted with { $emoji } to a message that is not here.
timer-changed = { $unit ->
    [never] { $contact } has turned disappearing messages off.
    [weeks] { $contact } has set messages to disappear after { $count ->
        [one] a week
       *[other] { $count } weeks
      }, here too.
    [days] { $contact } has set messages to disappear after { $count ->
        [one] a day
       *[other] { $count } days
      }, here too.
    [hours] { $contact } has set messages to disappear after { $count ->
        [one] an hour
       *[other] { $count } hours
      }, here too.
    [minutes] { $contact } has set messages to disappear after { $count ->
        [one] a minute
       *[other] { $count } minutes
      }, here too.
   *[seconds] { $contact } has set messages to disappear after { $count ->
        [one] a second
       *[other] { $count } seconds
      }, here too.
  }

contact-key-changed = The encryption key of { $contact } has changed: a new phone or app, or someone between you. Their messages wait, and yours are not sent, until you write "{ $prefix } trust", which accepts the new key.
contact-refused = { $contact } has sent so many messages while they wait for your decision about their new key that further ones are not taken; { $contact } sees them as not delivered. Write "{ $prefix } trust" in your chat with { $contact } to accept the new key.
trust-done = The new key of { $contact } is accepted. Send again what was not bridged.
trust-nothing = There is no changed key to accept here.

## Reasons; the names are the notices of the error tables

reason-internal = Something went wrong in the bridge. Its operator can find it under { $code }.
reason-unsupported = This bridge cannot send this kind of message yet ({ $what }).
reason-network-refuses = { $network } does not take this kind of message ({ $what }).
reason-too-long = It has { $length } characters; { $network } takes { $limit }.
reason-file-too-large = The file is too large: at most { $megabytes } MB can be sent to { $network }.
reason-file-type = { $network } does not take files of this type ({ $type }).
reason-target-unknown = The message that it refers to is not there any more, or never reached { $network }.
reason-edit-too-late = { $network } takes changes for { $minutes ->
    [one] one minute
   *[other] { $minutes } minutes
  } after a message was sent. The other person still sees the old words.
reason-delete-too-late = { $network } takes deletions for { $hours ->
    [one] one hour
   *[other] { $hours } hours
  } after a message was sent. It is deleted here only; the other person still has it.
reason-delete-unknown = { $network } takes no deletions. It is deleted here only; the other person still has it.
reason-not-your-chat = Only { $owner } can write to { $network } in this room.
reason-not-connected = You are not connected to { $network }.
reason-encrypted = It is encrypted, and this bridge cannot read encrypted rooms yet.
reason-too-old = It waited too long for { $network } and was not sent.
reason-requeued = It was put back into the way.
reason-not-kept = What it said is not kept any more. Write it again.
reason-bounced = { $network } sent it back ({ $condition }).
reason-malformed = It is malformed.
reason-message-discarded = It is larger, or more deeply nested, than this bridge takes.
reason-message-undecryptable = It cannot be decrypted.
reason-message-unreadable = It is malformed.
reason-message-too-large = It is too large for { $network }.
reason-contact-has-no-keys = The other person's app has no encryption keys at { $network }, or takes no messages from other services.
reason-contact-key-changed = The other person's encryption key has changed. Accept the new key with the command "trust" in this room, then send it again.
reason-cannot-encrypt-yet = The encryption keys that { $network } gave for the other person are not sound. Nothing was sent.
reason-account-closed = You are not connected to { $network } any more.
reason-homeserver-unreachable = Your homeserver cannot be reached.
reason-homeserver-busy = Your homeserver is busy.
reason-homeserver-refused = Your homeserver refused it.
reason-media-too-large = The file is too large.
reason-media-quota = There is no room for more files at the moment. It is tried again when older ones have expired.
reason-media-damaged = The file did not arrive as it was sent.
reason-media-not-allowed = The file lies where the bridge does not fetch from.
reason-media-gone = The file is no longer there.
reason-media-unavailable = The file cannot be carried at the moment.
reason-network-unreachable = { $network } cannot be reached.
reason-network-untrusted = { $network } could not prove that it is itself.
reason-network-conflict = Another program is connected to { $network } with your account.
reason-network-login-refused = { $network } does not let you in.
reason-network-unsupported = { $network } does not offer what the bridge needs.
reason-network-busy = { $network } is busy.
reason-network-faulty = { $network } answered with something that is not valid.
reason-network-refused = { $network } refused it ({ $code }).
reason-network-region-not-allowed = { $network } offers this only in some regions, and yours is not among them.
reason-network-suspended = { $network } has suspended your connection.
reason-network-terms-changed = { $network } has changed its terms; you have to agree again.
reason-network-not-enlisted = { $network } does not know your account any more. Write "opt-out", then "opt-in".
