package fusion

import (
	"context"
	"time"

	gen "usher/gen/fusion"
	"usher/storage"
)

// version is that of the Fusion whose API this is.
const version = "5.9"

// GetSystemStatus answers GET /. Its members are those that the tests of
// fusionpy, a client of Fusion 2, record.
func (s *server) GetSystemStatus(ctx context.Context, _ gen.GetSystemStatusRequestObject) (gen.GetSystemStatusResponseObject, error) {
	waits, err := s.waitsForPassword(ctx)
	if err != nil {
		return nil, err
	}
	status := gen.SystemStatus{Version: version, EnabledRealms: []string{}, StartTime: seconds(s.started)}
	status.Status.DB.Ping = true // it has just answered
	if waits {
		return gen.GetSystemStatus200JSONResponse{Body: status}, nil
	}
	realms, err := s.allRealms(ctx)
	if err != nil {
		return nil, err
	}
	initialized := s.started
	for _, r := range realms {
		if r.Enabled {
			status.EnabledRealms = append(status.EnabledRealms, r.Name)
		}
		if r.Name == native && !r.CreatedAt.IsZero() {
			initialized = r.CreatedAt
		}
	}
	status.InitMeta = &struct {
		Version       string    `json:"version"`
		InitializedAt time.Time `json:"initializedAt"`
	}{version, seconds(initialized)}
	return gen.GetSystemStatus200JSONResponse{Body: status}, nil
}

// waitsForPassword says whether the first administrator has no password yet.
func (s *server) waitsForPassword(ctx context.Context) (bool, error) {
	u, err := s.users.UserNamed(ctx, native, Administrator)
	if storage.KindOf(err) == storage.NotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	d, err := documentOf(u)
	return d.Initial && !u.HasPassword, err
}
