"""Sound on its way: resampling, telephony coding, and the account of what has been heard."""
