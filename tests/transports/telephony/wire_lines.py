"""Lines as the three carriers write them: given these, the wires are expected to say those."""

TWILIO = {
    "connected": '{"event":"connected","protocol":"Call","version":"1.0.0"}',
    "start": (
        '{"event":"start","sequenceNumber":"1","streamSid":"MZ1","start":{"streamSid":"MZ1","accountSid":"AC1",'
        '"callSid":"CA1","tracks":["inbound"],"customParameters":{"caller":"+15550001"},'
        '"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}'
    ),
    "media": (
        '{"event":"media","sequenceNumber":"4","streamSid":"MZ1",'
        '"media":{"track":"inbound","chunk":"2","timestamp":"5","payload":"//8A"}}'
    ),
    "outbound": '{"event":"media","streamSid":"MZ1","media":{"track":"outbound","chunk":"2","payload":"//8A"}}',
    "dtmf": (
        '{"event":"dtmf","streamSid":"MZ1","sequenceNumber":"5","dtmf":{"track":"inbound_track","digit":"1"}}'
    ),
    "mark": '{"event":"mark","sequenceNumber":"9","streamSid":"MZ1","mark":{"name":"m1"}}',
    "stop": '{"event":"stop","sequenceNumber":"5","streamSid":"MZ1","stop":{"accountSid":"AC1","callSid":"CA1"}}',
}

TELNYX = {
    "connected": '{"event":"connected","version":"1.0.0"}',
    "start": (
        '{"event":"start","sequence_number":"1","stream_id":"32DE","start":{"user_id":"U1","call_control_id":"v2:c1",'
        '"call_session_id":"S1","from":"+15550001","to":"+15550002","tags":[],"client_state":"","custom_parameters":{},'
        '"media_format":{"encoding":"PCMA","sample_rate":8000,"channels":1}}}'
    ),
    "media": (
        '{"event":"media","sequence_number":"4","stream_id":"32DE",'
        '"media":{"track":"inbound","chunk":"2","timestamp":"5","payload":"1dUA"}}'
    ),
    "outbound": '{"event":"media","stream_id":"32DE","media":{"track":"outbound","chunk":"2","payload":"//8A"}}',
    "dtmf": (
        '{"event":"dtmf","stream_id":"32DE","occurred_at":"2026-11-01T00:00:00Z","sequence_number":"5",'
        '"dtmf":{"digit":"1"}}'
    ),
    "mark": '{"event":"mark","sequence_number":"6","stream_id":"32DE","mark":{"name":"m1"}}',
    "error": (
        '{"event":"error","stream_id":"32DE","payload":{"code":100002,"title":"unknown_error","detail":"too short"}}'
    ),
    "stop": '{"event":"stop","sequence_number":"7","stream_id":"32DE","stop":{"call_control_id":"v2:c1"}}',
}

PLIVO = {
    "start": (
        '{"sequenceNumber":0,"event":"start","start":{"callId":"c1","streamId":"s1","accountId":"MA1",'
        '"tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000}},'
        '"extra_headers":"{X-PH-caller: +15550001, plan: gold}"}'
    ),
    "media": (
        '{"sequenceNumber":2,"streamId":"s1","event":"media","media":{"track":"inbound",'
        '"timestamp":"1712345678000","chunk":2,"payload":"//8A"},"extra_headers":"{}"}'
    ),
    "outbound": '{"event":"media","streamId":"s1","media":{"track":"outbound","chunk":2,"payload":"//8A"}}',
    "dtmf": (
        '{"event":"dtmf","sequenceNumber":9,"streamId":"s1","dtmf":{"track":"inbound","digit":"1","timestamp":"1"}}'
    ),
    "mark": '{"sequenceNumber":10,"event":"playedStream","streamId":"s1","name":"m1"}',
    "cleared": '{"sequenceNumber":11,"event":"clearedAudio","streamId":"s1"}',
    "error": '{"event":"playFailed","streamId":"s1","reason":"bad payload"}',
    "stop": '{"event":"stop","sequenceNumber":12,"streamId":"s1"}',
}

LINES = {"twilio": TWILIO, "telnyx": TELNYX, "plivo": PLIVO}
