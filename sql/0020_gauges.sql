-- The newest shows on sale, for the figures that gateways tell of them every few seconds: found
-- without reading those that are over.
CREATE INDEX shows_open ON shows (show) WHERE state = 'open';
